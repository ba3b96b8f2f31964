//! The applications in `apps/`: they have no mistakes and apply.

use super::{World, source};
use crate::{OneMachine, check};

#[test]
fn the_shipped_applications_apply_side_by_side() {
    let world = World::new();
    let fleet = concat!(
        include_str!("../../../../apps/fleet/1-vehicles.sql"),
        include_str!("../../../../apps/fleet/2-shop.sql"),
    );
    for (app, sql, streams) in [
        (
            "retail",
            include_str!("../../../../apps/retail/streams.sql"),
            1,
        ),
        ("fleet", fleet, 3),
    ] {
        let source = source(app, sql);
        assert_eq!(check(&source, &OneMachine), Ok(()), "{app}");
        world.apply(&source);
        let definitions = world.definitions();
        assert_eq!(
            definitions.streams_of(super::TENANT, &source.name).count(),
            streams,
            "{app}"
        );
    }
}
