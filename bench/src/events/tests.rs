use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn every_event_is_json_of_132_bytes_in_event_time() {
    let first = Timestamp(1_795_000_000_999_000);
    let keys = Keys::Uniform { count: DEVICES };
    let body = EventMaker::new(7, keys, (first, 700)).body(5_000);
    assert_eq!(body.len(), 5_000 * 132);

    let mut devices = BTreeSet::new();
    let mut states = BTreeSet::new();
    for (place, line) in body.chunks(132).enumerate() {
        assert_eq!(line.last(), Some(&b'\n'));
        let event: serde_json::Value = serde_json::from_slice(line).unwrap();
        let at = Timestamp(first.0 + i64::try_from(place).unwrap() * 700);
        assert_eq!(event["at"], at.to_string());
        let celsius = event["celsius"].as_f64().unwrap();
        let speed = event["speed"].as_f64().unwrap();
        assert!((10.0..100.0).contains(&celsius) && (10.0..100.0).contains(&speed));
        assert!((1_000_000..10_000_000).contains(&event["odometer"].as_u64().unwrap()));
        devices.insert(event["device_id"].as_str().unwrap().to_owned());
        states.insert(event["state"].as_str().unwrap().to_owned());
    }
    assert!(devices.len() > 3_500, "{} devices", devices.len());
    assert_eq!(states.len(), 4);
}

#[test]
fn the_same_seed_makes_the_same_events() {
    let keys = Keys::Zipf { count: DEVICES };
    let body = |seed| EventMaker::new(seed, keys, (Timestamp(0), 1)).body(100);
    assert_eq!(body(1), body(1));
    assert_ne!(body(1), body(2));
}

/// How often each device sends.
fn counts(keys: Keys, events: usize) -> BTreeMap<String, u64> {
    let body = EventMaker::new(3, keys, (Timestamp(0), 1)).body(events);
    let mut counts = BTreeMap::new();
    for line in body.chunks(EVENT_BYTES) {
        let event: serde_json::Value = serde_json::from_slice(line).unwrap();
        let device = event["device_id"].as_str().unwrap().to_owned();
        *counts.entry(device).or_default() += 1;
    }
    counts
}

#[test]
fn devices_in_order_are_each_there_once() {
    let ids: Vec<String> = [0, 42, 999_999, 1_000_000, 9_999_999].map(device).into();
    let expected = ["vehicle-000000", "vehicle-000042", "vehicle-999999"];
    assert_eq!(ids[..3], expected);
    assert_eq!(ids[3..], ["vehicle1000000", "vehicle9999999"]);
    let counts = counts(Keys::InOrder { count: 3_000 }, 3_000);
    assert_eq!((counts.len(), counts.values().sum::<u64>()), (3_000, 3_000));
}

#[test]
fn skewed_devices_send_in_proportion_to_their_rank() {
    let (count, events) = (100_000_u32, 200_000);
    let counts = counts(
        Keys::Zipf {
            count: count.into(),
        },
        events,
    );
    let whole: f64 = (1..=count).map(|rank| f64::from(rank).powf(-1.1)).sum();
    for rank in [1_u32, 2, 3, 10, 100] {
        let expected = 200_000.0 * f64::from(rank).powf(-1.1) / whole;
        let found = crate::load::as_f64(counts[&device(u64::from(rank) - 1)]);
        // Four standard deviations of a count.
        let bound = 4.0 * expected.sqrt();
        assert!(
            (found - expected).abs() < bound,
            "{rank}: {found}, not {expected}"
        );
    }
    assert!(counts.len() > 10_000, "{} devices", counts.len());
}

/// Events of each stream, in the order in which they were made.
fn events_of(of: Events, bodies: [usize; 2]) -> BTreeMap<&'static str, Vec<serde_json::Value>> {
    let mut maker = Maker::new(of, 1, Timestamp(1_767_225_600_000_000));
    let mut events: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for body in bodies
        .map(|events| maker.bodies(events))
        .into_iter()
        .flatten()
    {
        let lines = std::str::from_utf8(&body.lines).unwrap().lines();
        let parsed: Vec<_> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(parsed.len(), body.events);
        events
            .entry(body.stream.unwrap())
            .or_default()
            .extend(parsed);
    }
    events
}

fn is_in_order(events: &[serde_json::Value], time: &str) -> bool {
    events.is_sorted_by_key(|event| event[time].as_str().unwrap().to_owned())
}

#[test]
fn auctions_are_those_that_are_published() {
    let events = events_of(Events::Auctions, [130, 870]);
    let count = |stream| events[stream].len();
    assert_eq!(
        [count("person"), count("auction"), count("bid")],
        [20, 60, 920]
    );
    assert!(
        events
            .values()
            .all(|events| is_in_order(events, "date_time"))
    );
    // The first of its own test.
    let first = &events["person"][0];
    assert_eq!(first["name"], "vicky noris");
    assert_eq!(first["email_address"], "yplkvgz@qbxfg.com");
    assert_eq!(first["date_time"], "2026-01-01T00:00:00.000Z");
    let last = &events["bid"][919];
    assert_eq!(
        last["date_time"], "2026-01-01T00:00:00.100Z",
        "10,000 a second"
    );
    let auction = &events["auction"][7];
    assert!(auction["expires"].as_str() > auction["date_time"].as_str());
    assert_eq!(
        events,
        events_of(Events::Auctions, [1_000, 0]),
        "however many at once"
    );
}

#[test]
fn each_advertisement_is_of_a_campaign() {
    let events = events_of(Events::Ads, [5_000, 5_000]);
    let events = &events["ad_event"];
    assert!(is_in_order(events, "event_time"));
    assert_eq!(events[9_999]["event_time"], "2026-01-01T00:00:00.999Z");
    let ads: BTreeSet<String> = (0..ADS).map(ad).collect();
    let seen: BTreeSet<String> = events
        .iter()
        .map(|event| event["ad_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(seen, ads, "each of them is seen, and no other");
    assert_eq!((0..ADS).map(campaign).collect::<BTreeSet<_>>().len(), 100);
    let views = events.iter().filter(|event| event["event_type"] == "view");
    assert!((3_100..3_600).contains(&views.count()), "a third are views");
}
