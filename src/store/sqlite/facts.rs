//! Statements on the facts of a server.

use sqlx::SqlitePool;

use super::bounded;
use crate::store::{Fact, StoreError};

pub(super) async fn get(pool: &SqlitePool, fact: Fact) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT value FROM fact WHERE name = ?").bind(fact.name()).fetch_optional(pool).await?)
}

pub(super) async fn settle(pool: &SqlitePool, fact: Fact, value: &str) -> Result<String, StoreError> {
    bounded(&[("a fact", value.len())])?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
        .bind(fact.name())
        .bind(value)
        .execute(&mut *transaction)
        .await?;
    let settled = sqlx::query_scalar("SELECT value FROM fact WHERE name = ?").bind(fact.name()).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(settled)
}
