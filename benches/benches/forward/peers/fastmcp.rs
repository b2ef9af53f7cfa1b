//! FastMCP's proxy with its `JWTVerifier`.

use std::fs;
use std::path::Path;

use bonafide_testkit::AUDIENCE;

use super::{Setting, command, free_address};
use crate::Error;
use crate::process::Process;
use crate::role::SERVER_PATH;

const PROGRAM: &str = include_str!("fastmcp.py");

/// `program` is FastMCP's own command. The interpreter beside it has the library.
pub(super) fn start(
    program: &Path,
    setting: &Setting<'_>,
) -> Result<(&'static str, Vec<Process>), Error> {
    let address = free_address()?;
    let file = setting.directory.join("fastmcp_proxy.py");
    fs::write(&file, PROGRAM)?;
    let mut proxy = command(&program.with_file_name("python"), setting.directory);
    proxy.arg(&file).args([
        &address.port().to_string(),
        &format!("http://{}{SERVER_PATH}", setting.backend),
        setting.issuer,
        AUDIENCE,
    ]);
    Ok(("FastMCP's proxy, `JWTVerifier`", vec![Process::spawn(proxy, address)?]))
}
