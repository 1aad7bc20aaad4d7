-- The outbox of domain-events. A healthy outbox is empty: each row is a message that SQS
-- has not accepted yet. `at` is UTC.
create table if not exists domain_events_outbox (
    event_id text not null primary key,
    message  text not null,
    at       text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
