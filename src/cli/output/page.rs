//! Text for people: lines, aligned fields, tables.

use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, TableStyle};

use super::{Look, safe};

/// What a piece of text means; colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Plain.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Odd,
    /// Wrong.
    Bad,
    /// Less important.
    Dim,
    /// A heading, a name.
    Strong,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Odd => Some("33"),
            Self::Bad => Some("1;31"),
            Self::Dim => Some("2"),
            Self::Strong => Some("1"),
        }
    }

    fn on(self, cell: Cell) -> Cell {
        match self {
            Self::Plain => cell,
            Self::Good => cell.fg(Color::DarkGreen),
            Self::Odd => cell.fg(Color::DarkYellow),
            Self::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
            Self::Dim => cell.add_attribute(Attribute::Dim),
            Self::Strong => cell.add_attribute(Attribute::Bold),
        }
    }
}

/// A piece of text with its tone. Made safe where it is made: nothing else reaches a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    text: String,
    tone: Tone,
}

impl Text {
    /// With a tone.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: safe::line(text.as_ref()).into_owned(), tone }
    }

    /// As it should be.
    pub fn good(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Good)
    }

    /// Worth a look.
    pub fn odd(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Odd)
    }

    /// Wrong.
    pub fn bad(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Bad)
    }

    /// Less important.
    pub fn dim(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Dim)
    }

    /// A name, a heading.
    pub fn strong(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Strong)
    }

    fn write(&self, to: &mut String, look: &Look) {
        match self.tone.code().filter(|_| look.colour) {
            // Writing to a String cannot fail.
            Some(code) => drop(write!(to, "\u{1b}[{code}m{}\u{1b}[0m", self.text)),
            None => to.push_str(&self.text),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Rows under named columns. Numbers stand right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    header: Vec<Text>,
    right: Vec<bool>,
    rows: Vec<Vec<Text>>,
}

impl Table {
    /// The names of the columns, in capitals; one that starts with `#` (which is not shown) holds numbers and stands right.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let columns: Vec<&str> = columns.into_iter().collect();
        let right = columns.iter().map(|name| name.starts_with('#')).collect();
        let header = columns.iter().map(|name| Text::strong(name.trim_start_matches('#'))).collect();
        Self { header, right, rows: Vec::new() }
    }

    /// A row. An empty cell is shown as `-`, so that columns can be counted.
    pub fn row<T: Into<Text>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        let full = |text: Text| if text.text.is_empty() { Text::dim("-") } else { text };
        self.rows.push(cells.into_iter().map(|cell| full(cell.into())).collect());
        self
    }

    /// Whether there are rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn write(&self, to: &mut String, look: &Look) {
        let cell = |(at, text): (usize, &Text)| {
            let align = if self.right.get(at).copied().unwrap_or(false) { CellAlignment::Right } else { CellAlignment::Left };
            let cell = Cell::new(&text.text).set_alignment(align);
            if look.colour { text.tone.on(cell) } else { cell }
        };
        let mut table = comfy_table::Table::new();
        table.load_style(if look.terminal {
            TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'))
        } else {
            TableStyle::new()
        });
        // Only a terminal has a width to fit; a pipe gets each row on one line, and so does a terminal that knows no width.
        let width = if look.terminal { table.width() } else { None };
        if width.is_some_and(|columns| columns > 0) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.force_no_tty();
        }
        if look.colour {
            table.enforce_styling();
        }
        table.set_header(self.header.iter().enumerate().map(cell).collect::<Vec<_>>());
        for row in &self.rows {
            table.add_row(row.iter().enumerate().map(cell).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        to.push_str(&table.trim_fmt());
        to.push('\n');
    }
}

/// What a command shows, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    Line(Vec<Text>),
    /// A line that is safe already.
    Safe(String),
    Field(String, Vec<Text>),
    Table(Table),
}

impl Page {
    /// A line of pieces, set one after the other as they are.
    pub fn line<T: Into<Text>>(&mut self, pieces: impl IntoIterator<Item = T>) -> &mut Self {
        self.blocks.push(Block::Line(pieces.into_iter().map(Into::into).collect()));
        self
    }

    /// An empty line.
    pub fn gap(&mut self) -> &mut Self {
        self.blocks.push(Block::Line(Vec::new()));
        self
    }

    /// Lines of a text of several, such as a ladder, each made safe. Tabs stay: what was sent may be pasted.
    pub fn lines(&mut self, text: &str) -> &mut Self {
        self.blocks.extend(safe::lines(text).map(Block::Safe));
        self
    }

    /// `name  value`; fields that follow one another stand aligned.
    pub fn field<T: Into<Text>>(&mut self, name: &str, value: impl IntoIterator<Item = T>) -> &mut Self {
        self.blocks.push(Block::Field(name.to_owned(), value.into_iter().map(Into::into).collect()));
        self
    }

    /// A table.
    pub fn table(&mut self, table: Table) -> &mut Self {
        self.blocks.push(Block::Table(table));
        self
    }

    pub(super) fn render(&self, look: &Look) -> String {
        let mut text = String::new();
        let mut width = 0;
        for (at, block) in self.blocks.iter().enumerate() {
            match block {
                Block::Line(pieces) => {
                    pieces.iter().for_each(|piece| piece.write(&mut text, look));
                    text.push('\n');
                }
                Block::Safe(line) => {
                    text.push_str(line);
                    text.push('\n');
                }
                Block::Field(name, value) => {
                    let follows = matches!(at.checked_sub(1).and_then(|before| self.blocks.get(before)), Some(Block::Field(..)));
                    if !follows {
                        width = self.field_width(at);
                    }
                    Text::dim(format!("{name:width$}  ")).write(&mut text, look);
                    value.iter().for_each(|piece| piece.write(&mut text, look));
                    text.push('\n');
                }
                Block::Table(table) => table.write(&mut text, look),
            }
        }
        text
    }

    /// The longest name of the fields that follow one another from here.
    fn field_width(&self, from: usize) -> usize {
        let run = self.blocks.iter().skip(from).map_while(|block| match block {
            Block::Field(name, _) => Some(name.chars().count()),
            Block::Line(_) | Block::Safe(_) | Block::Table(_) => None,
        });
        run.max().unwrap_or(0)
    }
}
