use super::*;

#[test]
fn reads_heads_with_length_and_without() {
    let whole = b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 12\r\n\r\nbody";
    assert_eq!(
        Head::parse(whole).unwrap(),
        Some(Head {
            status: 429,
            bytes: whole.len() - 4,
            length: Some(12),
            retry_after: Some(3),
        })
    );
    assert_eq!(Head::parse(&whole[..30]).unwrap(), None);
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(Head::parse(chunked).unwrap().unwrap().length, None);
    Head::parse(b"nonsense\r\n\r\n").unwrap_err();
}

#[test]
fn joins_chunks_wherever_they_are_cut() {
    let body = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
    let mut joined = Vec::new();
    for end in 0..body.len() {
        assert!(
            !join_chunks(&body[..end], &mut joined).unwrap(),
            "cut at {end}"
        );
    }
    assert!(join_chunks(body, &mut joined).unwrap());
    assert_eq!(joined, b"abc0123456789");
    join_chunks(b"xyz\r\n", &mut joined).unwrap_err();
}
