use super::*;

order! { narrower: #[event(alias = "ORDER_MADE")] {
    total: u32,
    payment: Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
}
pub(crate) enum Payment { Card, Voucher { code: String } } }
order! { without_content: #[event(alias = "ORDER_MADE")] {
    total: u32,
    payment: Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
}
pub(crate) enum Payment { Card, Invoice } }
order! { wider: #[event(alias = "ORDER_MADE")] {
    total: u32,
    payment: Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
}
pub(crate) enum Payment { Card, Invoice, Voucher { code: String }, Cash, Crypto { coin: String } } }
point_in_time! { of_events_without_one: [first::OrderPlaced, ShopEvent]
    #[derive(DomainEvent)]
    #[event(id = "shop", prefix = "SHOP")]
    pub(crate) enum ShopEvent {
        Opened,
    }
}
point_in_time! { of_events_with_another: [first::OrderPlaced, ShopEvent]
    #[derive(DomainEvent)]
    #[event(id = "shop", prefix = "SHOP")]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum ShopEvent {
        Cleaned,
        Opened,
        Shut(ShopClosed),
    }
    #[derive(DomainEvent)]
    #[event(id = "shop")]
    pub(crate) struct ShopClosed { by: String }
}

#[test]
fn narrower_enum_breaks_and_wider_passes() {
    let what = "\"Invoice\" is no longer one of the values";
    breaks_once(
        &first::events(),
        &narrower::events(),
        "/Data/payment",
        what,
        NEW,
    );
    let what = "\"Voucher\" is no longer one of the values";
    breaks_once(
        &first::events(),
        &without_content::events(),
        "/Data/payment",
        what,
        NEW,
    );
    assert_eq!(passes(&first::events(), &wider::events()).len(), 1);
}

#[test]
fn event_enum_gains_variants_and_moves_one() {
    breaks_once(
        &first::events(),
        &of_events_without_one::events(),
        "",
        "the event was removed",
        NEW,
    );
    let notes = passes(&first::events(), &of_events_with_another::events());
    assert_eq!(notes, ["SHOP_CLEANED is new to the lock"]);
}
