use super::*;

#[test]
fn every_event_is_json_of_132_bytes_in_event_time() {
    let first = Timestamp(1_795_000_000_999_000);
    let body = EventMaker::new(7, first, 700).body(5_000);
    assert_eq!(body.len(), 5_000 * 132);

    let mut devices = std::collections::BTreeSet::new();
    let mut states = std::collections::BTreeSet::new();
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
    let body = |seed| EventMaker::new(seed, Timestamp(0), 1).body(100);
    assert_eq!(body(1), body(1));
    assert_ne!(body(1), body(2));
}
