//! Headers that are there twice, or under another spelling.

use bonafide_tests::RawBackend;

use crate::world::{ANSWER, World, message, statuses};

/// What alice is answered who sends these lines besides her own, and what the backend saw.
async fn with(lines: &str) -> (u16, String) {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start(&backend.url()).await;
    let lines = lines.replace("BOB", &world.token("bob"));
    let (head, body) = (world.head("POST /t/mcp HTTP/1.1", "alice"), message("whoami"));
    let length = body.len();
    let sent = format!("{head}{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let statuses = statuses(&world.send(sent.as_bytes()).await);
    assert_eq!(statuses.len(), 1, "{lines}");
    (statuses[0], backend.seen())
}

#[tokio::test]
async fn a_header_that_decides_is_there_once() {
    for (lines, status) in [
        ("Authorization: Bearer BOB\r\n", 401),
        ("authorization: Bearer forged\r\n", 401),
        ("AUTHORIZATION: Basic YTpi\r\n", 401),
        ("Host: mcp.example.com\r\n", 403),
        ("Origin: https://mcp.example.com\r\nOrigin: https://evil.example\r\n", 403),
        ("Mcp-Session-Id: one\r\nMcp-Session-Id: two\r\n", 404),
        ("Mcp-Session-Id: one,two\r\n", 404),
        ("Mcp-Method: tools/call\r\nMcp-Method: ping\r\n", 400),
        ("Mcp-Name: whoami\r\nMcp-Name: other\r\n", 400),
        ("Mcp-Name: other\r\nMcp-Name: whoami\r\n", 400),
        ("Mcp-Name: whoami\r\nMcp-Name: whoami\r\n", 400),
        ("Mcp-Param-Region: eu\r\nmcp-param-region: us\r\n", 400),
        ("MCP-Protocol-Version: 2025-11-25\r\nMCP-Protocol-Version: 2026-07-28\r\n", 400),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Encoding: zstd\r\n", 415),
        ("Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", 415),
    ] {
        let (answered, seen) = with(lines).await;
        assert_eq!((answered, &*seen), (status, ""), "{lines}");
    }
}

#[tokio::test]
async fn what_a_template_says_is_said_once_and_by_nobody_else() {
    for lines in [
        "X-User-Id: forged\r\n",
        "x-user-id: forged\r\nX-USER-ID: forged\r\nX-User-Id: alice, forged\r\n",
        "X_User_Id: forged\r\n",
        "X_USER-ID: forged\r\n",
        "x-user_id: forged\r\n",
        "X-Jira-Key: forged\r\nx_jira_key: forged\r\n",
        "X-JIRA_KEY: forged\r\n",
        "Connection: x-user-id, authorization\r\n",
        "Connection: X-Jira-Key\r\nX-Jira-Key: forged\r\n",
        "Connection: keep-alive, x-forged\r\nX-Forged: forged\r\n",
        "Connection: close\r\nConnection: X-Forged\r\nX-Forged: forged\r\nx-forged: forged\r\n",
        "Proxy-Authorization: Basic forged\r\nCookie: a=forged\r\nTE: trailers, forged\r\n",
        "Mcp_Session_Id: forged\r\nmcp_name: forged\r\nmcp_method: forged\r\n",
        "Content_Length: 5\r\ntransfer_encoding: forged\r\n",
        "Keep-Alive: forged\r\nTrailer: forged\r\nProxy-Connection: forged\r\n",
        "X-Forwarded-For: forged\r\nX_Forwarded_For: forged\r\nForwarded: for=forged\r\n",
    ] {
        let (status, seen) = with(lines).await;
        assert_eq!(status, 200, "{lines}");
        let seen = seen.to_ascii_lowercase();
        assert!(!seen.contains("forged") && !seen.contains("content_length"), "{lines}: {seen}");
        for line in [
            "\r\nauthorization: bearer alices-key\r\n",
            "\r\nx-user-id: alice\r\n",
            "\r\nx-jira-key: alices-key\r\n",
        ] {
            assert_eq!(seen.matches(line).count(), 1, "{lines}: {seen}");
            let name = line.split(':').next().unwrap();
            assert_eq!(seen.matches(name).count(), 1, "{lines}: {seen}");
        }
    }
}

#[tokio::test]
async fn a_name_that_stays_here_does_not_take_what_a_decision_rests_on_with_it() {
    // Hop-by-hop or not, a session id is checked before it goes.
    let (status, seen) = with("Connection: mcp-session-id\r\nMcp-Session-Id: forged\r\n").await;
    assert_eq!((status, &*seen), (404, ""));
    let (status, seen) = with("Connection: mcp-name\r\nMcp-Name: forged\r\n").await;
    assert_eq!((status, &*seen), (400, ""));
    let (status, seen) = with("Connection: content-type, host, content-length\r\n").await;
    assert_eq!(status, 200);
    assert!(seen.contains("\r\ncontent-type: application/json\r\n"), "{seen}");
}
