//! What a handler sends is sent once for each event, over 1,000 events and many kills.

use hookyard_tests::Yard;
use hookyard_tests::courier::once_for_each_event;

use crate::alone;

#[test]
fn a_thousand_events_send_once_each() {
    let _alone = alone();
    let yard = Yard::with_plugins(&["courier"]);
    once_for_each_event(&yard, 20, 50);
}
