//! Opens the outbox that a URL names.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use domain_events_outbox::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use domain_events_outbox::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use domain_events_outbox::{AnyOutbox, DynamoDbOutbox, PostgresOutbox, SqliteOutbox};

use crate::Failure;

/// The number of database connections of a relay, which reads, deletes and counts rows at the
/// same time.
const MAX_CONNECTIONS: u32 = 3;
/// How long connecting to a database may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The location of an outbox.
#[derive(Clone, PartialEq, Eq)]
pub enum OutboxLocation {
    /// `dynamodb:TABLE`.
    DynamoDb(String),
    /// `sqlite:FILE`.
    Sqlite(PathBuf),
    /// `postgres://USER:PASSWORD@HOST/DATABASE`. The URL may contain a password.
    Postgres(String),
}

impl OutboxLocation {
    /// Returns the name of the outbox in metrics. It is not the URL, which may contain a
    /// password.
    pub fn name(&self) -> String {
        match self {
            Self::DynamoDb(table) => table.clone(),
            Self::Sqlite(file) => file.file_name().unwrap_or_default().display().to_string(),
            Self::Postgres(url) => {
                let options = PgConnectOptions::from_str(url).ok();
                let database = options.as_ref().and_then(PgConnectOptions::get_database);
                database.unwrap_or("postgres").to_owned()
            }
        }
    }
}

/// Omits the URL, because it may contain a password.
impl std::fmt::Debug for OutboxLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OutboxLocation").field(&self.name()).finish()
    }
}

impl FromStr for OutboxLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "use dynamodb:TABLE, sqlite:FILE or postgres://USER@HOST/DATABASE";
        let given = |rest: &str, what: &str| match rest.is_empty() {
            true => Err(format!("the {what} is missing; {expected}")),
            false => Ok(rest.to_owned()),
        };
        if let Some(table) = text.strip_prefix("dynamodb:") {
            given(table, "table").map(Self::DynamoDb)
        } else if let Some(file) = text.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            given(file, "file").map(|file| Self::Sqlite(file.into()))
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // The text of the error may quote the URL.
            PgConnectOptions::from_str(text)
                .map(|_| Self::Postgres(text.to_owned()))
                .map_err(|_| format!("the URL of the Postgres database is invalid; {expected}"))
        } else {
            Err(format!("the kind of the outbox is missing; {expected}"))
        }
    }
}

/// Connects to the outbox.
///
/// # Errors
///
/// The database cannot be reached, or the file does not exist.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn open(location: &OutboxLocation) -> Result<AnyOutbox, Failure> {
    match location {
        OutboxLocation::DynamoDb(table) => {
            let config = crate::connection::load().await?;
            let outbox = DynamoDbOutbox::new(Client::new(&config), table);
            Ok(AnyOutbox::new(outbox))
        }
        OutboxLocation::Sqlite(file) => sqlite(file).await,
        OutboxLocation::Postgres(url) => {
            let failed = |error: domain_events_outbox::sqlx::Error| {
                let name = location.name();
                Failure::environment(
                    format_args!("connecting to the Postgres database {name}"),
                    &error,
                )
            };
            let options = PgConnectOptions::from_str(url).map_err(failed)?;
            let pool = PgPoolOptions::new()
                .max_connections(MAX_CONNECTIONS)
                .acquire_timeout(CONNECT_TIMEOUT)
                .connect_with(options)
                .await
                .map_err(failed)?;
            Ok(AnyOutbox::new(PostgresOutbox::new(pool)))
        }
    }
}

async fn sqlite(file: &Path) -> Result<AnyOutbox, Failure> {
    if !file.exists() {
        return Err(Failure::Environment(format!(
            "the SQLite database {} does not exist; start the service that writes the outbox first, or correct the path",
            file.display()
        )));
    }
    let options = SqliteConnectOptions::new().filename(file);
    let pool = SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|error| {
            let file = file.display();
            Failure::environment(format_args!("opening the SQLite database {file}"), &error)
        })?;
    Ok(AnyOutbox::new(SqliteOutbox::new(pool)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_by_their_scheme() {
        for (text, expected) in [
            (
                "dynamodb:orders-outbox",
                OutboxLocation::DynamoDb("orders-outbox".into()),
            ),
            (
                "sqlite:orders.db",
                OutboxLocation::Sqlite("orders.db".into()),
            ),
            (
                "sqlite:///var/orders.db",
                OutboxLocation::Sqlite("/var/orders.db".into()),
            ),
            (
                "postgres://shop:secret@db/orders",
                OutboxLocation::Postgres("postgres://shop:secret@db/orders".into()),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn invalid_location_error_lists_the_forms() {
        for text in [
            "",
            "orders-outbox",
            "dynamodb:",
            "sqlite:",
            "mysql://db/orders",
        ] {
            let error = text.parse::<OutboxLocation>().unwrap_err();
            assert!(error.contains("use dynamodb:TABLE"), "{error}");
        }
    }

    #[test]
    fn password_is_not_in_debug_or_errors() {
        let location: OutboxLocation = "postgres://shop:secret@db/orders".parse().unwrap();
        assert_eq!(format!("{location:?}"), r#"OutboxLocation("orders")"#);
        let error = "postgres://shop:secret@db:port/x"
            .parse::<OutboxLocation>()
            .unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
