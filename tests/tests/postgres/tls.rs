//! A server that has to prove who it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use bonafide_postgres::{BuildError, OpenError, Postgres};
use bonafide_vault::Vault;

use crate::server::{Server, address, succeed};

/// Makes an authority and, signed by it, a certificate for `127.0.0.1` and one for another name.
fn certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        succeed(Command::new("openssl").current_dir(directory).args(arguments.split(' ')));
    };
    for authority in ["ca", "other"] {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout {authority}.key -out {authority}.pem \
             -subj /CN={authority} -days 2"
        ));
    }
    for (name, subject) in [("here", "IP:127.0.0.1"), ("elsewhere", "DNS:db.example.com")] {
        openssl(&format!(
            "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        fs::write(directory.join("extensions"), format!("subjectAltName={subject}\n")).unwrap();
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem \
             -days 1 -extfile extensions"
        ));
    }
}

pub(crate) async fn verifies_the_server(_: &Server) {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let file = |name: &str| directory.path().join(name);
    let server = Server::start();
    let plain = server.database().await;
    let serve = |name: &str| {
        server.stop();
        for (kind, place) in [("pem", "server.crt"), ("key", "server.key")] {
            server.put(place, &fs::read_to_string(file(&format!("{name}.{kind}"))).unwrap());
        }
        server.put("postgresql.auto.conf", "ssl = on\n");
        // Nobody gets in without.
        server.put("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n");
        server.run();
    };
    let with = |mode: &str, ca: &str| {
        let url = format!("{plain}?sslmode={mode}&sslrootcert={}", file(ca).display());
        Postgres::new(address(&url))
    };

    serve("here");
    for mode in ["verify-full", "require"] {
        let vault = with(mode, "ca.pem").unwrap().vault();
        vault.scan(None, 1).await.unwrap();
        let error = with(mode, "other.pem").unwrap().prepare().await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, OpenError::Connect { .. }), "{error:?}");
        assert!(said.contains("UnknownIssuer"), "{said}");
    }
    let platform = Postgres::new(address(&format!("{plain}?sslmode=verify-full")));
    let error = platform.unwrap().prepare().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    // In the clear, when that is what the address says, and the server does not want it.
    let error = Postgres::new(address(&plain)).unwrap().prepare().await.unwrap_err();
    assert!(error.to_string().contains("28000"), "{error}");

    serve("elsewhere");
    for mode in ["verify-full", "require"] {
        let error = with(mode, "ca.pem").unwrap().prepare().await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
    for (name, text) in [("missing.pem", None), ("empty.pem", Some("")), ("no.pem", Some("canary"))]
    {
        if let Some(text) = text {
            fs::write(file(name), text).unwrap();
        }
        let error = with("verify-full", name).unwrap_err();
        assert!(matches!(error, BuildError::Authorities { .. }), "{error:?}");
    }
}
