//! Servers that answer something else than a key-value engine does.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bonafide_claims::UserId;
use bonafide_openbao::{Credentials, OpenBaoVault};
use bonafide_vault::{
    Envelope, Owner, Record, Replacement, SecretId, SecretName, StoreError, Vault,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that lets everybody in and then answers each request with the same bytes. Gives its address and how
/// many requests came.
async fn server(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, counter) = (answer.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    let len = stream.read(&mut buffer).await.unwrap_or(0);
                    if len == 0 {
                        return;
                    }
                    request.extend(buffer.iter().take(len));
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let login = request.starts_with(b"GET /v1/auth/token/lookup-self ");
                let forever = r#"{"data":{"ttl":0,"renewable":false}}"#;
                let answer = if login { http("200 OK", forever) } else { answer };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, count)
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn vault(address: &str) -> OpenBaoVault {
    let token = Credentials::token("canary-token".into());
    OpenBaoVault::builder(address, token).build().unwrap()
}

fn alice() -> (UserId, SecretName) {
    let issuer = "https://idp.example".parse().unwrap();
    (UserId::new(issuer, None, "canary-alice".parse().unwrap()), "TOKEN".parse().unwrap())
}

/// Every operation, and what it says that it failed with.
async fn errors(vault: &OpenBaoVault) -> Vec<StoreError> {
    let ((user, name), tenant) = (alice(), "github".parse().unwrap());
    let owner = Owner::new(&user, &tenant);
    let record = Record::new(Envelope::from_unsealed("canary-value"), 0);
    let id = SecretId::new(user.clone(), tenant.clone(), name.clone());
    let replace = vec![Replacement { id, expected: None, record: record.clone() }];
    vec![
        vault.read(owner, std::slice::from_ref(&name)).await.map(drop).unwrap_err(),
        vault.list(owner).await.map(drop).unwrap_err(),
        vault.write(owner, &name, record).await.unwrap_err(),
        vault.remove(owner, &name).await.map(drop).unwrap_err(),
        vault.remove_user(&user).await.map(drop).unwrap_err(),
        vault.scan(None, 10).await.map(drop).unwrap_err(),
        vault.replace(replace).await.map(drop).unwrap_err(),
    ]
}

fn said(error: &StoreError) -> String {
    let mut said = String::new();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        said += &format!("{error} {error:?}\n");
        next = error.source();
    }
    said
}

#[tokio::test]
async fn what_is_no_answer_of_an_engine_is_an_error_and_not_an_empty_entry() {
    let nested = "[".repeat(10_000);
    let (elsewhere, followed) = server(http("200 OK", "{}")).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}/v1/x\r\ncontent-length: 0\r\n\r\n"
    );
    for answer in [
        redirect,
        http("200 OK", ""),
        http("200 OK", "{}"),
        http("200 OK", "<html>canary-body</html>"),
        http("200 OK", &nested),
        http("200 OK", r#"{"data":{"data":{"canary-field":7},"metadata":{"version":1}}}"#),
        http("200 OK", r#"{"data":{"keys":["canary key"],"data":null,"metadata":{"version":1}}}"#),
        http("204 No Content", ""),
        http("400 Bad Request", r#"{"errors":["canary-body"]}"#),
        http("403 Forbidden", r#"{"errors":["permission denied"]}"#),
        // An engine that is not there, and a web server that is something else.
        http("404 Not Found", r#"{"errors":["no handler for route \"canary-body\""]}"#),
        http("404 Not Found", "canary-body"),
        http("404 Not Found", "{}"),
        http("500 Internal Server Error", r#"{"errors":["canary-body"]}"#),
        http("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#),
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}".to_owned(),
        "canary-body".to_owned(),
    ] {
        let (address, count) = server(answer.clone()).await;
        let vault = vault(&address);
        for error in errors(&vault).await {
            let said = said(&error);
            assert!(!said.contains("canary") && !said.contains("idp.example"), "{answer}: {said}");
        }
        assert!(count.load(Ordering::SeqCst) > 0);
    }
    assert_eq!(followed.load(Ordering::SeqCst), 0, "a redirect was followed");
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for error in errors(&vault(&address)).await {
        assert!(matches!(error, StoreError::Unavailable { .. }));
        let said = said(&error);
        assert!(said.contains("OpenBao cannot be reached") && !said.contains("canary"), "{said}");
    }
}

/// Otherwise the twentieth would wait twenty times as long as the first, and the server be asked twenty times.
#[tokio::test]
async fn those_who_wait_for_a_login_fail_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let logins = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&logins);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            drop(stream);
        }
    });
    let vault = Arc::new(vault(&address));
    let read = |vault: Arc<OpenBaoVault>| async move {
        let ((user, name), tenant) = (alice(), "github".parse().unwrap());
        vault.read(Owner::new(&user, &tenant), &[name]).await.map(drop).unwrap_err()
    };
    let waiting: Vec<_> = (0..20).map(|_| tokio::spawn(read(Arc::clone(&vault)))).collect();
    for waiting in waiting {
        let said = said(&waiting.await.unwrap());
        assert!(said.contains("OpenBao cannot be reached") && !said.contains("canary"), "{said}");
    }
    // An HTTP client may try a connection that was closed on it once more.
    let first = logins.load(Ordering::SeqCst);
    assert!(first <= 2, "{first} logins");
    // Whoever comes later tries again.
    read(vault).await;
    assert!(logins.load(Ordering::SeqCst) > first);
}
