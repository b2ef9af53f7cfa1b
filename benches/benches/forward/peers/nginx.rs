//! nginx with `auth_request` to a check of the token in Rust.

use std::fs;
use std::path::Path;

use super::{Setting, command, free_address};
use crate::Error;
use crate::process::Process;
use crate::role::{self, PLAIN_PATH};

pub(super) fn start(
    program: &Path,
    setting: &Setting<'_>,
) -> Result<(&'static str, Vec<Process>), Error> {
    let keys = setting.directory.join("keys.json");
    fs::write(&keys, setting.key_set)?;
    let check = Process::start(&[role::CHECK, setting.issuer, &keys.to_string_lossy()])?;
    let address = free_address()?;
    let file = setting.directory.join("nginx.conf");
    let backend = setting.backend;
    let check_address = check.address();
    fs::write(
        &file,
        format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr error;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n\
               access_log off;\n\
               client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\n\
               uwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n\
               upstream backend {{ server {backend}; keepalive 64; keepalive_requests 100000000; }}\n\
               upstream check {{ server {check_address}; keepalive 64; keepalive_requests 100000000; }}\n\
               server {{\n\
                 listen {address};\nkeepalive_requests 100000000;\n\
                 proxy_http_version 1.1;\nproxy_set_header Connection \"\";\n\
                 location /github/mcp {{\n\
                   auth_request /check;\nproxy_pass http://backend{PLAIN_PATH};\n\
                   proxy_set_header Authorization \"Bearer shared\";\n\
                 }}\n\
                 location = /check {{\n\
                   internal;\nproxy_pass http://check;\nproxy_pass_request_body off;\n\
                   proxy_set_header Content-Length \"\";\n\
                 }}\n\
               }}\n\
             }}\n"
        ),
    )?;
    let mut nginx = command(program, setting.directory);
    nginx.arg("-p").arg(setting.directory).arg("-c").arg(&file);
    let nginx = Process::spawn(nginx, address)?;
    Ok(("nginx, `auth_request` to Rust", vec![nginx, check]))
}
