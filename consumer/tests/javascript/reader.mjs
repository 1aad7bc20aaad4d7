// Pages through the history of one entity, a few events at a time, with the AWS SDK for
// JavaScript and the settings that docs/reading.md recommends (`exact`), or with the
// client's default settings (`default`). Prints the sort keys as a JSON array.
//
//   node reader.mjs exact|default ID
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";

const [settings, id] = process.argv.slice(2);
const options = settings === "exact" ? { unmarshallOptions: { wrapNumbers: true } } : {};
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}), options);

const keys = [];
let start;
do {
  const page = await client.send(
    new QueryCommand({
      TableName: process.env.EVENT_TABLE,
      KeyConditionExpression: "ID = :id",
      ExpressionAttributeValues: { ":id": id },
      ConsistentRead: true,
      Limit: 7,
      ExclusiveStartKey: start,
    }),
  );
  keys.push(...page.Items.map((item) => (settings === "exact" ? item.Timestamp.value : String(item.Timestamp))));
  start = page.LastEvaluatedKey;
  // A rounded key can repeat a page forever.
} while (start && keys.length < 1000);
console.log(JSON.stringify(keys));
