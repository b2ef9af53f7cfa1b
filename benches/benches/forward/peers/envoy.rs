//! Envoy with its filter `jwt_authn`, which remembers the tokens that it has verified.

use std::fs;
use std::path::Path;

use bonafide_testkit::AUDIENCE;
use serde_json::{Value, json};

use super::{Setting, command, free_address};
use crate::Error;
use crate::process::Process;
use crate::role::PLAIN_PATH;

pub(super) fn start(
    program: &Path,
    setting: &Setting<'_>,
) -> Result<(&'static str, Vec<Process>), Error> {
    let address = free_address()?;
    let file = setting.directory.join("envoy.json");
    let listener = json!({
        "name": "front",
        "address": socket_address(address),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(setting),
        }] }],
    });
    let cluster = json!({
        "name": "backend",
        "type": "STATIC",
        "load_assignment": { "cluster_name": "backend", "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": socket_address(setting.backend) } }
        ] }] },
    });
    let document =
        json!({ "static_resources": { "listeners": [listener], "clusters": [cluster] } });
    fs::write(&file, document.to_string())?;
    let mut envoy = command(program, setting.directory);
    envoy.arg("-c").arg(&file);
    envoy.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
    Ok(("Envoy, `jwt_authn` with its cache", vec![Process::spawn(envoy, address)?]))
}

fn connection_manager(setting: &Setting<'_>) -> Value {
    let extension =
        |name: &str| format!("type.googleapis.com/envoy.extensions.filters.http.{name}");
    let authentication = json!({
        "@type": extension("jwt_authn.v3.JwtAuthentication"),
        "providers": { "issuer": {
            "issuer": setting.issuer,
            "audiences": [AUDIENCE],
            "local_jwks": { "inline_string": setting.key_set },
            "jwt_cache_config": { "jwt_cache_size": 1000 },
        } },
        "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "issuer" } }],
    });
    let shared = json!({
        "header": { "key": "authorization", "value": "Bearer shared" },
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    let route = json!({
        "match": { "prefix": "/github/mcp" },
        "route": { "cluster": "backend", "prefix_rewrite": PLAIN_PATH },
        "request_headers_to_add": [shared],
    });
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "http_filters": [
            { "name": "envoy.filters.http.jwt_authn", "typed_config": authentication },
            { "name": "envoy.filters.http.router",
              "typed_config": { "@type": extension("router.v3.Router") } },
        ],
        "route_config": { "virtual_hosts": [{
            "name": "all", "domains": ["*"], "routes": [route],
        }] },
    })
}

fn socket_address(address: std::net::SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}
