//! Statements on accounts.

use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};

use super::{bounded, changed_one, damaged, from_millis, on_insert, to_millis};
use crate::{
    id::UserName,
    store::{AccountRecord, StoreError},
};

const WHAT: &str = "account";

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<AccountRecord>, StoreError> {
    let rows = sqlx::query("SELECT name, role, a1_sha256, a1_md5, initial_password, created FROM account ORDER BY name");
    rows.fetch_all(pool).await?.iter().map(read).collect()
}

pub(super) async fn add(pool: &SqlitePool, account: &AccountRecord) -> Result<(), StoreError> {
    check(account)?;
    sqlx::query("INSERT INTO account (name, role, a1_sha256, a1_md5, initial_password, created) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(account.name.as_str())
        .bind(&account.role)
        .bind(&account.a1_sha256)
        .bind(&account.a1_md5)
        .bind(account.initial_password)
        .bind(to_millis(account.created))
        .execute(pool)
        .await
        .map_err(|error| on_insert(error, WHAT, &account.name))?;
    Ok(())
}

pub(super) async fn replace(pool: &SqlitePool, account: &AccountRecord) -> Result<(), StoreError> {
    check(account)?;
    let done = sqlx::query("UPDATE account SET role = ?, a1_sha256 = ?, a1_md5 = ?, initial_password = ? WHERE name = ?")
        .bind(&account.role)
        .bind(&account.a1_sha256)
        .bind(&account.a1_md5)
        .bind(account.initial_password)
        .bind(account.name.as_str())
        .execute(pool)
        .await?;
    changed_one(done.rows_affected(), WHAT, &account.name)
}

pub(super) async fn delete(pool: &SqlitePool, user: &UserName) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM account WHERE name = ?").bind(user.as_str()).execute(pool).await?;
    changed_one(done.rows_affected(), WHAT, user)
}

fn check(account: &AccountRecord) -> Result<(), StoreError> {
    bounded(&[
        ("the role of an account", account.role.len()),
        ("the secret of an account", account.a1_sha256.len().max(account.a1_md5.len())),
    ])
}

fn read(row: &SqliteRow) -> Result<AccountRecord, StoreError> {
    Ok(AccountRecord {
        name: row.try_get::<String, _>(0)?.parse().map_err(|error| damaged(WHAT, &error))?,
        role: row.try_get(1)?,
        a1_sha256: row.try_get(2)?,
        a1_md5: row.try_get(3)?,
        initial_password: row.try_get(4)?,
        created: from_millis(WHAT, row.try_get(5)?)?,
    })
}
