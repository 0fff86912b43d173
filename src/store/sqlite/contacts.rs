//! Statements on registrar contacts.

use sqlx::{Row as _, SqlitePool, error::ErrorKind, sqlite::SqliteRow};

use super::{bounded, damaged, from_millis, to_millis};
use crate::{
    id::UserName,
    store::{ContactRecord, MAX_CONTACTS_PER_USER, StoreError},
};

const WHAT: &str = "contact";

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<ContactRecord>, StoreError> {
    let rows = sqlx::query("SELECT user, key, contact, call_id, cseq, expires, received, user_agent FROM contact ORDER BY user, key");
    rows.fetch_all(pool).await?.iter().map(read).collect()
}

pub(super) async fn replace(pool: &SqlitePool, user: &UserName, contacts: &[ContactRecord]) -> Result<(), StoreError> {
    check(user, contacts)?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("DELETE FROM contact WHERE user = ?").bind(user.as_str()).execute(&mut *transaction).await?;
    for contact in contacts {
        sqlx::query(
            "INSERT INTO contact (user, key, contact, call_id, cseq, expires, received, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(user.as_str())
        .bind(&contact.key)
        .bind(&contact.contact)
        .bind(&contact.call_id)
        .bind(contact.cseq)
        .bind(to_millis(contact.expires))
        .bind(&contact.received)
        .bind(&contact.user_agent)
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
        Some(ErrorKind::UniqueViolation) => StoreError::Exists { what: WHAT, name: contact.key.clone() },
        _ => error.into(),
    }
}

fn check(user: &UserName, contacts: &[ContactRecord]) -> Result<(), StoreError> {
    if contacts.len() > MAX_CONTACTS_PER_USER {
        return Err(StoreError::TooLarge { what: "the list of contacts", max: MAX_CONTACTS_PER_USER });
    }
    for contact in contacts {
        debug_assert_eq!(&contact.user, user, "the contacts of one user");
        let texts = [&contact.key, &contact.contact, &contact.call_id, &contact.received, &contact.user_agent];
        bounded(&texts.map(|text| ("a contact", text.len())))?;
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<ContactRecord, StoreError> {
    Ok(ContactRecord {
        user: row.try_get::<String, _>(0)?.parse().map_err(|error| damaged(WHAT, error))?,
        key: row.try_get(1)?,
        contact: row.try_get(2)?,
        call_id: row.try_get(3)?,
        cseq: row.try_get(4)?,
        expires: from_millis(WHAT, row.try_get(5)?)?,
        received: row.try_get(6)?,
        user_agent: row.try_get(7)?,
    })
}
