-- The outbox of domain-events. A healthy outbox is empty: each row is a message that SQS
-- has not accepted yet.
create table if not exists domain_events_outbox (
    event_id text primary key,
    message  text not null,
    at       timestamptz not null default now()
)
-- Rows live for milliseconds, so the table collects dead rows at the rate of its inserts.
-- Vacuum it after every 1,000 of them, whatever its size, and without pauses.
with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
