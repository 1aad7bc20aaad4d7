//! The table of the embedded stack, like the table of the Terraform module.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::list_tables::ListTablesError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
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
}

/// Creates the table with its indexes by event type and by conversation. Nothing happens
/// if the table exists.
///
/// # Errors
///
/// [`CreateTable`] if DynamoDB does not create the table.
///
/// # Cancel safety
///
/// Dropping the future may leave the table created or not. Calling the function again is
/// safe.
pub async fn create_table(client: &Client, name: &str) -> Result<(), CreateTable> {
    // Not by an error of CreateTable, because the embedded DynamoDB logs every error.
    if exists(client, name).await? {
        return Ok(());
    }
    let sort = key(table::SORT_KEY, KeyType::Range)?;
    let index = |name: &str, hash_key: &str| {
        let all = ProjectionType::All;
        GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(hash_key, KeyType::Hash)?)
            .key_schema(sort.clone())
            .projection(Projection::builder().projection_type(all).build())
            .build()
    };
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(table::HASH_KEY, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(table::SORT_KEY, ScalarAttributeType::N)?)
        .attribute_definitions(attribute(table::INDEX_KEY, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(
            table::CORRELATION_INDEX_KEY,
            ScalarAttributeType::S,
        )?)
        .key_schema(key(table::HASH_KEY, KeyType::Hash)?)
        .key_schema(sort.clone())
        .global_secondary_indexes(index(table::INDEX_NAME, table::INDEX_KEY)?)
        .global_secondary_indexes(index(
            table::CORRELATION_INDEX_NAME,
            table::CORRELATION_INDEX_KEY,
        )?)
        .send()
        .await;
    match created {
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

/// Creates the outbox table, with its stream. Nothing happens if the table exists.
///
/// # Errors
///
/// [`CreateTable`] if DynamoDB does not create the table.
///
/// # Cancel safety
///
/// Dropping the future may leave the table created or not. Calling the function again is
/// safe.
pub async fn create_outbox_table(client: &Client, name: &str) -> Result<(), CreateTable> {
    if exists(client, name).await? {
        return Ok(());
    }
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage)
        .build()?;
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("EventId", ScalarAttributeType::S)?)
        .key_schema(key("EventId", KeyType::Hash)?)
        .stream_specification(stream)
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
