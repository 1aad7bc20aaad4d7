//! The table of the embedded stack, as the Terraform module creates it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use domain_events::store::table;

/// The table cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateTable {
    /// The request cannot be built.
    #[error("the request cannot be built")]
    Build(#[from] BuildError),
    /// DynamoDB refuses to create it.
    #[error("DynamoDB refuses to create the table")]
    Refused(#[source] Box<SdkError<CreateTableError>>),
}

/// Creates the table with its index by event type, if it is not there.
///
/// # Errors
///
/// [`CreateTable`] if DynamoDB refuses it.
///
/// # Cancel safety
///
/// Dropping the future may leave the table created all the same; calling this
/// again finds it.
pub async fn create_table(client: &Client, name: &str) -> Result<(), CreateTable> {
    let sort = key(table::SORT_KEY, KeyType::Range)?;
    let index = GlobalSecondaryIndex::builder()
        .index_name(table::INDEX_NAME)
        .key_schema(key(table::INDEX_KEY, KeyType::Hash)?)
        .key_schema(sort.clone())
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::All)
                .build(),
        )
        .build()?;
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(table::HASH_KEY, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(table::SORT_KEY, ScalarAttributeType::N)?)
        .attribute_definitions(attribute(table::INDEX_KEY, ScalarAttributeType::S)?)
        .key_schema(key(table::HASH_KEY, KeyType::Hash)?)
        .key_schema(sort)
        .global_secondary_indexes(index)
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
