// A producer in TypeScript. It needs the variables of `domain-events local`.
//
//   npm install && npx tsx producer.ts order-7

import { createHash, randomUUID } from "node:crypto";
import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";

const queueUrl = process.env.EVENT_QUEUE_URL!;
const sqs = new SQSClient({});

interface DomainEvent {
  Timestamp: number;
  EventType: string;
  ID: string;
  EmitterId: string;
  EmitterType: string;
  EventId: string;
  Data: object | null;
}

/** Returns `text` if SQS accepts it as a group or deduplication id, and otherwise its UUID (v5). */
export function sqsId(text: string): string {
  if (/^[!-~]{1,128}$/.test(text)) return text;
  const namespace = Buffer.from("6ba7b8129dad11d180b400c04fd430c8", "hex"); // object ids
  const hash = createHash("sha1").update(namespace).update(text, "utf8").digest();
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

export function event(eventType: string, id: string, emitterId: string, data: object | null): DomainEvent {
  // In microseconds, because a double can represent them exactly until the year 2255.
  const timestamp = Math.round((performance.timeOrigin + performance.now()) * 1000) / 1e6;
  return { Timestamp: timestamp, EventType: eventType, ID: id, EmitterId: emitterId, EmitterType: "SYSTEM", EventId: randomUUID(), Data: data };
}

/** Sends the event. For a retry, call it again with the same event. */
export async function emit(event: DomainEvent): Promise<string | undefined> {
  const fifo = queueUrl.endsWith(".fifo")
    ? { MessageGroupId: sqsId(event.ID), MessageDeduplicationId: sqsId(event.EventId) }
    : {};
  const sent = await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(event), ...fifo }));
  return sent.MessageId;
}

if (process.argv[2] !== undefined) {
  const placed = event("ORDER_PLACED", process.argv[2], "typescript-shop", { total_cents: 4990 });
  console.log("SQS accepted", placed.EventId, "in message", await emit(placed));
}
