//! The table of the embedded stack, like the table of the Terraform module.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::list_tables::ListTablesError;
use aws_sdk_dynamodb::operation::update_table::UpdateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use domain_events::store::table;

/// Why the table cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateTable {
    /// The request cannot be built.
    #[error("cannot build the request to create the table")]
    Build(#[from] BuildError),
    /// The tables cannot be listed.
    #[error("DynamoDB did not list its tables")]
    List(#[source] Box<SdkError<ListTablesError>>),
    /// DynamoDB did not create the table.
    #[error("DynamoDB did not create the table")]
    Refused(#[source] Box<SdkError<CreateTableError>>),
    /// The table exists, and its indexes cannot be read.
    #[error("DynamoDB did not describe the table")]
    Describe(#[source] Box<SdkError<DescribeTableError>>),
    /// The table exists without an index, and DynamoDB did not add it.
    #[error("DynamoDB did not add the index {index:?} to the table")]
    Index {
        /// The name of the index.
        index: &'static str,
        /// Why.
        source: Box<SdkError<UpdateTableError>>,
    },
}

/// The indexes of the table: the name and the hash key of each.
const INDEXES: [(&str, &str); 2] = [
    (table::INDEX_NAME, table::INDEX_KEY),
    (table::CORRELATION_INDEX_NAME, table::CORRELATION_INDEX_KEY),
];

/// Creates the table with its indexes by event type and by conversation. If the table
/// exists, the indexes that it lacks are added: an earlier version may have created it.
///
/// # Errors
///
/// [`CreateTable`] if DynamoDB does not create the table or an index.
///
/// # Cancel safety
///
/// Dropping the future may leave the table created or not. Calling the function again is
/// safe.
///
/// # Examples
///
/// ```
/// # use domain_events_local::{Options, Stack};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stack = Stack::start(Options::default()).await?;
/// domain_events_local::create_table(&stack.dynamodb_client(), "archive").await?;
/// # Ok(())
/// # }
/// ```
pub async fn create_table(client: &Client, name: &str) -> Result<(), CreateTable> {
    // Not by an error of CreateTable, because the embedded DynamoDB logs every error.
    if exists(client, name).await? {
        return add_missing_indexes(client, name).await;
    }
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(table::HASH_KEY, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(table::SORT_KEY, ScalarAttributeType::N)?)
        .set_key_schema(Some(keys(table::HASH_KEY)?));
    for (index, hash_key) in INDEXES {
        let index = GlobalSecondaryIndex::builder()
            .index_name(index)
            .set_key_schema(Some(keys(hash_key)?))
            .projection(everything())
            .build()?;
        request = request
            .attribute_definitions(attribute(hash_key, ScalarAttributeType::S)?)
            .global_secondary_indexes(index);
    }
    match request.send().await {
        Err(error)
            if !error
                .as_service_error()
                .is_some_and(CreateTableError::is_resource_in_use_exception) =>
        {
            Err(CreateTable::Refused(Box::new(error)))
        }
        _ => Ok(()),
    }
}

async fn add_missing_indexes(client: &Client, name: &str) -> Result<(), CreateTable> {
    let described = client.describe_table().table_name(name).send().await;
    let described = described.map_err(|error| CreateTable::Describe(Box::new(error)))?;
    let present: Vec<&str> = described
        .table()
        .map(|table| table.global_secondary_indexes())
        .unwrap_or_default()
        .iter()
        .filter_map(|index| index.index_name())
        .collect();
    for (index, hash_key) in INDEXES {
        if present.contains(&index) {
            continue;
        }
        let create = CreateGlobalSecondaryIndexAction::builder()
            .index_name(index)
            .set_key_schema(Some(keys(hash_key)?))
            .projection(everything())
            .build()?;
        client
            .update_table()
            .table_name(name)
            .attribute_definitions(attribute(hash_key, ScalarAttributeType::S)?)
            .attribute_definitions(attribute(table::SORT_KEY, ScalarAttributeType::N)?)
            .global_secondary_index_updates(
                GlobalSecondaryIndexUpdate::builder().create(create).build(),
            )
            .send()
            .await
            .map_err(|error| CreateTable::Index {
                index,
                source: Box::new(error),
            })?;
        tracing::info!(
            index,
            "added an index that the table of the data folder lacked"
        );
    }
    Ok(())
}

/// Creates the outbox table. Nothing happens if the table exists.
///
/// Unlike the table of the Terraform module, this table has no stream, because the embedded stack
/// does not invoke functions. With a stream, the embedded DynamoDB would also search all earlier
/// records of the stream in every write.
///
/// # Errors
///
/// [`CreateTable`] if DynamoDB does not create the table.
///
/// # Cancel safety
///
/// Dropping the future may leave the table created or not. Calling the function again is
/// safe.
///
/// # Examples
///
/// ```
/// # use domain_events_local::{Options, Stack};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stack = Stack::start(Options::default()).await?;
/// domain_events_local::create_outbox_table(&stack.dynamodb_client(), "orders-outbox").await?;
/// # Ok(())
/// # }
/// ```
pub async fn create_outbox_table(client: &Client, name: &str) -> Result<(), CreateTable> {
    if exists(client, name).await? {
        return Ok(());
    }
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("EventId", ScalarAttributeType::S)?)
        .key_schema(key("EventId", KeyType::Hash)?)
        .send()
        .await;
    created
        .map(drop)
        .map_err(|error| CreateTable::Refused(Box::new(error)))
}

async fn exists(client: &Client, name: &str) -> Result<bool, CreateTable> {
    let mut pages = client.list_tables().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| CreateTable::List(Box::new(error)))?;
        if page.table_names().iter().any(|other| other == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn everything() -> Projection {
    Projection::builder()
        .projection_type(ProjectionType::All)
        .build()
}

/// Returns the keys of the table, or of an index: this hash key, and the sort key.
fn keys(hash_key: &str) -> Result<Vec<KeySchemaElement>, BuildError> {
    Ok(vec![
        key(hash_key, KeyType::Hash)?,
        key(table::SORT_KEY, KeyType::Range)?,
    ])
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(kind)
        .build()
}
