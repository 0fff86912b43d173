//! Statements on registrar contacts.

use sqlx::{Row as _, SqlitePool, error::ErrorKind, sqlite::SqliteRow};

use super::{bounded, damaged, from_millis, to_millis};
use crate::{
    id::UserName,
    store::{ContactRecord, MAX_CONTACTS, StoreError},
};

const WHAT: &str = "contact";

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<ContactRecord>, StoreError> {
    let rows =
        sqlx::query("SELECT user, domain, contact, q, expires, call_id, cseq, hop, path FROM contact ORDER BY user, domain, contact");
    rows.fetch_all(pool).await?.iter().map(read).collect()
}

pub(super) async fn replace(pool: &SqlitePool, user: &UserName, domain: &str, contacts: &[ContactRecord]) -> Result<(), StoreError> {
    check(domain, contacts)?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("DELETE FROM contact WHERE user = ? AND domain = ?").bind(user.as_str()).bind(domain).execute(&mut *transaction).await?;
    for contact in contacts {
        sqlx::query("INSERT INTO contact (user, domain, contact, q, expires, call_id, cseq, hop, path) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(user.as_str())
            .bind(domain)
            .bind(&contact.contact)
            .bind(contact.q)
            .bind(to_millis(contact.expires))
            .bind(&contact.call_id)
            .bind(contact.cseq)
            .bind(&contact.hop)
            .bind(contact.path.join("\n"))
            .execute(&mut *transaction)
            .await
            .map_err(|error| on_insert(error, user, contact))?;
    }
    transaction.commit().await?;
    Ok(())
}

fn on_insert(error: sqlx::Error, user: &UserName, contact: &ContactRecord) -> StoreError {
    match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
        Some(ErrorKind::ForeignKeyViolation) => StoreError::Missing { what: "account", name: user.to_string() },
        Some(ErrorKind::UniqueViolation) => StoreError::Exists { what: WHAT, name: contact.contact.clone() },
        _ => error.into(),
    }
}

fn check(domain: &str, contacts: &[ContactRecord]) -> Result<(), StoreError> {
    if contacts.len() > MAX_CONTACTS {
        return Err(StoreError::TooLarge { what: "the list of contacts", max: MAX_CONTACTS });
    }
    for contact in contacts {
        let path: usize = contact.path.iter().map(|value| value.len() + 1).sum();
        let lens = [domain.len(), contact.contact.len(), contact.call_id.len(), contact.hop.len(), path];
        bounded(&lens.map(|len| ("a contact", len)))?;
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<ContactRecord, StoreError> {
    Ok(ContactRecord {
        user: row.try_get::<String, _>(0)?.parse().map_err(|error| damaged(WHAT, &error))?,
        domain: row.try_get(1)?,
        contact: row.try_get(2)?,
        q: row.try_get(3)?,
        expires: from_millis(WHAT, row.try_get(4)?)?,
        call_id: row.try_get(5)?,
        cseq: row.try_get(6)?,
        hop: row.try_get(7)?,
        path: row.try_get::<String, _>(8)?.lines().map(str::to_owned).collect(),
    })
}
