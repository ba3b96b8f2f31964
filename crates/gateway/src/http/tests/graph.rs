//! Graphs at the door: as JSON, as a picture, and the page.

use super::world::World;

#[tokio::test]
async fn an_application_is_told_as_json_and_drawn() {
    let world = World::open().await;
    let told = world.send("GET /v1/apps/shop/graph", "").await;
    assert_eq!(told.status, 200, "{told:?}");
    let graph = told.json();
    let nodes = graph["nodes"].as_array().unwrap();
    let stream = nodes.iter().find(|node| node["id"] == "readings").unwrap();
    assert_eq!(stream["live"]["rows"], 1);
    assert_eq!(stream["live"]["dead_letters"], 3);
    assert!(graph["position"].is_string());
    let drawn = world
        .send(
            "GET /v1/apps/shop/graph\naccept: image/svg+xml, */*;q=0.1",
            "",
        )
        .await;
    assert_eq!(drawn.header("content-type"), Some("image/svg+xml"));
    assert!(drawn.body.starts_with("<svg ") && drawn.body.contains(">readings<"));
    let policy = drawn.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
}

#[tokio::test]
async fn what_there_is_not_and_what_is_not_offered_is_refused() {
    let world = World::open().await;
    for (request, status, code) in [
        ("GET /v1/apps/nothing/graph", 404, "APP-012"),
        ("GET /v1/views/nothing/graph", 404, "HTTP-019"),
        ("GET /v1/apps/shop/graph\naccept: text/csv", 406, "HTTP-012"),
    ] {
        let refused = world.send(request, "").await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (status, code),
            "{request}"
        );
    }
}

#[tokio::test]
async fn the_page_runs_its_own_script_and_nothing_else() {
    let world = World::open().await;
    let page = world.send("GET /graph", "").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    let script = page.body.split_once("<script>").unwrap().1;
    let script = script.split_once("</script>").unwrap().0;
    let hash = ring::digest::digest(&ring::digest::SHA256, script.as_bytes());
    let hash = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hash);
    assert!(
        policy.contains(&format!("script-src 'sha256-{hash}';")),
        "{policy}"
    );
    assert!(!page.body.contains("readings"), "it holds no data");
}
