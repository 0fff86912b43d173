//! Statements on conference definitions.

use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};

use super::{bounded, changed_one, damaged, duration_millis, from_millis, millis_duration, on_insert, to_millis};
use crate::{
    id::ConferenceName,
    store::{ConferenceRecord, StoreError},
};

const WHAT: &str = "conference";

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<ConferenceRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT name, title, pin, guests, max_participants, ttl, ends_with_chair, ends_when_empty, locked, creator, created, revision, \
         rights FROM conference ORDER BY name",
    );
    rows.fetch_all(pool).await?.iter().map(read).collect()
}

pub(super) async fn add(pool: &SqlitePool, conference: &ConferenceRecord) -> Result<(), StoreError> {
    check(conference)?;
    sqlx::query(
        "INSERT INTO conference \
         (name, title, pin, guests, max_participants, ttl, ends_with_chair, ends_when_empty, locked, creator, created, rights, revision) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
    )
    .bind(conference.name.as_str())
    .bind(&conference.title)
    .bind(&conference.pin)
    .bind(conference.guests)
    .bind(conference.max_participants)
    .bind(conference.ttl.map(duration_millis))
    .bind(conference.ends_with_chair)
    .bind(conference.ends_when_empty)
    .bind(conference.locked)
    .bind(conference.creator.as_ref().map(AsRef::<str>::as_ref))
    .bind(to_millis(conference.created))
    .bind(&conference.rights)
    .execute(pool)
    .await
    .map_err(|error| on_insert(error, WHAT, &conference.name))?;
    Ok(())
}

pub(super) async fn replace(pool: &SqlitePool, conference: &ConferenceRecord) -> Result<u64, StoreError> {
    check(conference)?;
    let revision = i64::try_from(conference.revision).unwrap_or(i64::MAX);
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let found: Option<i64> = sqlx::query_scalar("SELECT revision FROM conference WHERE name = ?")
        .bind(conference.name.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    match found {
        None => return Err(StoreError::Missing { what: WHAT, name: conference.name.to_string() }),
        Some(found) if found != revision => return Err(StoreError::Changed { what: WHAT, name: conference.name.to_string() }),
        Some(_) => {}
    }
    sqlx::query(
        "UPDATE conference SET title = ?, pin = ?, guests = ?, max_participants = ?, ttl = ?, ends_with_chair = ?, ends_when_empty = ?, \
         locked = ?, rights = ?, revision = revision + 1 WHERE name = ?",
    )
    .bind(&conference.title)
    .bind(&conference.pin)
    .bind(conference.guests)
    .bind(conference.max_participants)
    .bind(conference.ttl.map(duration_millis))
    .bind(conference.ends_with_chair)
    .bind(conference.ends_when_empty)
    .bind(conference.locked)
    .bind(&conference.rights)
    .bind(conference.name.as_str())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(conference.revision.saturating_add(1))
}

pub(super) async fn delete(pool: &SqlitePool, name: &ConferenceName) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM conference WHERE name = ?").bind(name.as_str()).execute(pool).await?;
    changed_one(done.rows_affected(), WHAT, name)
}

fn check(conference: &ConferenceRecord) -> Result<(), StoreError> {
    bounded(&[
        ("the title of a conference", conference.title.len()),
        ("the PIN of a conference", conference.pin.as_ref().map_or(0, Vec::len)),
    ])
}

fn read(row: &SqliteRow) -> Result<ConferenceRecord, StoreError> {
    let name = |text: String| text.parse().map_err(|error| damaged(WHAT, &error));
    Ok(ConferenceRecord {
        name: name(row.try_get(0)?)?,
        title: row.try_get(1)?,
        pin: row.try_get(2)?,
        guests: row.try_get(3)?,
        max_participants: row.try_get(4)?,
        ttl: row.try_get::<Option<i64>, _>(5)?.map(|millis| millis_duration(WHAT, millis)).transpose()?,
        ends_with_chair: row.try_get(6)?,
        ends_when_empty: row.try_get(7)?,
        locked: row.try_get(8)?,
        creator: row.try_get::<Option<String>, _>(9)?.map(|text| text.parse().map_err(|error| damaged(WHAT, &error))).transpose()?,
        created: from_millis(WHAT, row.try_get(10)?)?,
        revision: row.try_get::<i64, _>(11)?.try_into().map_err(|_| damaged(WHAT, &"negative revision"))?,
        rights: row.try_get(12)?,
    })
}
