//! Where the server is, and how it is reached.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::constant_time;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

const DEFAULT_PORT: u16 = 5432;

/// A server, a database and who we are there: `postgres://USER:PASSWORD@HOST:5432/DATABASE`.
///
/// The parts of the URL mean what they mean for PostgreSQL's own clients, with these parameters behind a `?`:
///
/// | parameter | value |
/// |---|---|
/// | `sslmode` | `verify-full`: TLS, with a certificate of a trusted authority for that host. `require`: the same; elsewhere it means a certificate that nobody looks at. `disable`: in the clear. Without it, `verify-full`, and `disable` on loopback. |
/// | `sslrootcert` | a PEM file with the authorities to trust, instead of those of the platform |
/// | `channel_binding` | `require`, or `prefer`, the default |
/// | `connect_timeout` | how long a connection may take to be made, in seconds, 1 to 300 |
/// | `application_name` | what the server lists the connections as; `bonafide` by default |
///
/// `allow`, `prefer` and `verify-ca` are refused, because with them a server need not be the one that is
/// meant. A directory as host, `postgres://bonafide@%2Frun%2Fpostgresql/bonafide`, leads to a Unix socket.
///
/// ```
/// use bonafide_postgres::{Address, AddressError};
///
/// let address: Address = "postgres://bonafide:canary@db.example.com/bonafide".parse()?;
/// assert_eq!(address.to_string(), "postgres://bonafide@db.example.com:5432/bonafide");
/// assert!(address.uses_tls());
///
/// let refused = "postgres://bonafide@db.example.com/bonafide?sslmode=prefer".parse::<Address>();
/// assert!(matches!(refused, Err(AddressError::SslMode)));
/// # Ok::<(), AddressError>(())
/// ```
#[derive(Clone)]
pub struct Address {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) user: Box<str>,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: Box<str>,
    /// The authorities to trust; `None` for a connection in the clear.
    pub(crate) tls: Option<Authorities>,
    pub(crate) binding_required: bool,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) application_name: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    Name(Box<str>),
    /// The directory of a Unix socket.
    Socket(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authorities {
    Platform,
    File(PathBuf),
}

/// Why a text is no [`Address`]. Shows nothing of the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is no URL.
    #[error(
        "this is no PostgreSQL URL: write `postgres://USER:PASSWORD@HOST:5432/DATABASE`, \
         with `%2F`, `%3F` and `%23` for `/`, `?` and `#` in a password"
    )]
    Syntax,
    /// The URL has another scheme.
    #[error("the URL has another scheme: write `postgres://…`")]
    Scheme,
    /// The URL names no host, or one that cannot be.
    #[error("the URL has no valid host: write `postgres://USER@HOST/DATABASE`")]
    Host,
    /// The URL names no user.
    #[error("the URL has no user: write `postgres://USER@HOST/DATABASE`")]
    User,
    /// The URL names no database.
    #[error("the URL has no database: write `postgres://USER@HOST/DATABASE`")]
    Database,
    /// The URL has a parameter that is not known.
    #[error(
        "the URL has an unknown parameter: there are `sslmode`, `sslrootcert`, `channel_binding`, \
         `connect_timeout` and `application_name`"
    )]
    Parameter,
    /// The URL has a parameter twice.
    #[error("the URL has a parameter twice: write each once")]
    Twice,
    /// The value of `sslmode` is not known, or does not make sure that the server is the one that is meant.
    #[error(
        "`sslmode` is `verify-full`, or `disable` in a network where nobody else can listen or answer: \
         the others do not make sure that the server is the right one"
    )]
    SslMode,
    /// `sslrootcert` or `channel_binding` for a connection without TLS.
    #[error("`sslrootcert` and `channel_binding` need TLS: add `sslmode=verify-full`")]
    NoTls,
    /// TLS over a Unix socket.
    #[error("a Unix socket has no TLS: leave `sslmode` out")]
    SocketTls,
    /// The value of `sslrootcert` is empty.
    #[error("`sslrootcert` is the path of a file, or left out for the authorities of the platform")]
    RootCertificate,
    /// The value of `channel_binding` is not known.
    #[error("`channel_binding` is `require` or `prefer`")]
    ChannelBinding,
    /// The value of `connect_timeout` is no number of seconds, or out of range.
    #[error("`connect_timeout` is a number of seconds from 1 to 300")]
    ConnectTimeout,
}

impl Address {
    /// The same address with this password.
    #[must_use]
    pub fn with_password(self, password: SecretString) -> Self {
        Self { password: Some(password), ..self }
    }

    /// The same address, with a relative `sslrootcert` meant from `directory`.
    #[must_use]
    pub fn relative_to(self, directory: &Path) -> Self {
        let tls = self.tls.map(|tls| match tls {
            Authorities::File(path) => Authorities::File(directory.join(path)),
            Authorities::Platform => tls,
        });
        Self { tls, ..self }
    }

    /// Whether there is a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether connections are encrypted, and the server has to prove that it is the one that is meant.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
            Host::Socket(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::Syntax)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(AddressError::Scheme);
        }
        if url.fragment().is_some() {
            return Err(AddressError::Syntax);
        }
        let database = decoded(url.path().strip_prefix('/').unwrap_or_default())?;
        // A slash here is one of a password or of a mistake, not of a name that anybody has.
        if database.is_empty() || database.contains('/') {
            return Err(AddressError::Database);
        }
        let user = decoded(url.username())?;
        if user.is_empty() {
            return Err(AddressError::User);
        }
        let password = url.password().map(decoded).transpose()?;
        let mut address = Self {
            host: host(&url)?,
            port: url.port().unwrap_or(DEFAULT_PORT),
            user: user.into_boxed_str(),
            password: password.map(|password| SecretString::from(password.into_boxed_str())),
            database: database.into_boxed_str(),
            tls: None,
            binding_required: false,
            connect_timeout: None,
            application_name: "bonafide".into(),
        };
        Parameters::of(&url)?.apply(&mut address)?;
        Ok(address)
    }
}

fn decoded(text: &str) -> Result<String, AddressError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| AddressError::Syntax)?;
    // What follows a NUL would be a field of its own in the first message to the server.
    if text.contains('\0') { Err(AddressError::Syntax) } else { Ok(text.into_owned()) }
}

fn host(url: &Url) -> Result<Host, AddressError> {
    let text = decoded(url.host_str().unwrap_or_default())?;
    if text.starts_with('/') {
        return if cfg!(unix) { Ok(Host::Socket(text.into())) } else { Err(AddressError::Host) };
    }
    let ip = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
    if let Ok(ip) = ip.parse() {
        return Ok(Host::Ip(ip));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || !text.bytes().all(fits) {
        return Err(AddressError::Host);
    }
    Ok(Host::Name(text.into_boxed_str()))
}

/// What stands behind the `?`.
#[derive(Default)]
struct Parameters {
    ssl_mode: Option<String>,
    root_certificate: Option<String>,
    channel_binding: Option<String>,
    connect_timeout: Option<String>,
    application_name: Option<String>,
}

impl Parameters {
    fn of(url: &Url) -> Result<Self, AddressError> {
        let mut parameters = Self::default();
        for (name, value) in url.query_pairs() {
            let place = match &*name {
                "sslmode" => &mut parameters.ssl_mode,
                "sslrootcert" => &mut parameters.root_certificate,
                "channel_binding" => &mut parameters.channel_binding,
                "connect_timeout" => &mut parameters.connect_timeout,
                "application_name" => &mut parameters.application_name,
                _ => return Err(AddressError::Parameter),
            };
            if value.contains('\0') {
                return Err(AddressError::Syntax);
            }
            if place.replace(value.into_owned()).is_some() {
                return Err(AddressError::Twice);
            }
        }
        Ok(parameters)
    }

    fn apply(self, address: &mut Address) -> Result<(), AddressError> {
        let tls = match self.ssl_mode.as_deref() {
            None => !address.is_local(),
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            Some(_) => return Err(AddressError::SslMode),
        };
        if tls && matches!(address.host, Host::Socket(_)) {
            return Err(AddressError::SocketTls);
        }
        if !tls && (self.root_certificate.is_some() || self.channel_binding.is_some()) {
            return Err(AddressError::NoTls);
        }
        address.tls = match self.root_certificate {
            Some(path) if path.is_empty() => return Err(AddressError::RootCertificate),
            // As newer clients of PostgreSQL call it.
            Some(path) if path != "system" => Some(Authorities::File(path.into())),
            _ => tls.then_some(Authorities::Platform),
        };
        address.binding_required = match self.channel_binding.as_deref() {
            None | Some("prefer") => false,
            Some("require") => true,
            Some(_) => return Err(AddressError::ChannelBinding),
        };
        if let Some(seconds) = self.connect_timeout {
            let seconds = seconds.parse().ok().filter(|seconds| (1..=300).contains(seconds));
            address.connect_timeout =
                Some(Duration::from_secs(seconds.ok_or(AddressError::ConnectTimeout)?));
        }
        if let Some(name) = self.application_name {
            address.application_name = name.into_boxed_str();
        }
        Ok(())
    }
}

/// The password is compared in constant time.
impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        let rest = |address: &Self| {
            let Self { host, port, user, database, tls, binding_required, .. } = address.clone();
            let Self { connect_timeout, application_name, .. } = address.clone();
            (host, port, user, database, tls, binding_required, connect_timeout, application_name)
        };
        let password = match (&self.password, &other.password) {
            (Some(ours), Some(theirs)) => {
                let (ours, theirs) = (ours.expose_secret(), theirs.expose_secret());
                constant_time::verify_slices_are_equal(ours.as_bytes(), theirs.as_bytes()).is_ok()
            }
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        password && rest(self) == rest(other)
    }
}

impl Eq for Address {}

/// The URL without password and parameters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@", self.user.escape_debug())?;
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Ip(ip) => write!(f, "{ip}")?,
            Host::Name(name) => f.write_str(name)?,
            Host::Socket(path) => write!(f, "{}", path.display().to_string().replace('/', "%2F"))?,
        }
        write!(f, ":{}/{}", self.port, self.database.escape_debug())
    }
}

/// As `Display`, with how the server is known, and never the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("url", &format_args!("{self}"))
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, AddressError> {
        text.parse()
    }

    #[test]
    fn reads_each_part() {
        let address = parse(
            "postgresql://us%40er:p%2Fa%3As%25s@db.example.com:6432/b%20d?sslmode=verify-full\
             &sslrootcert=/etc/ca.pem&channel_binding=require&connect_timeout=7&application_name=gw",
        )
        .unwrap();
        assert_eq!(address.host, Host::Name("db.example.com".into()));
        assert_eq!((address.port, &*address.user, &*address.database), (6432, "us@er", "b d"));
        assert_eq!(address.password.as_ref().unwrap().expose_secret(), "p/a:s%s");
        assert_eq!(address.tls, Some(Authorities::File("/etc/ca.pem".into())));
        assert!(address.binding_required);
        assert_eq!(address.connect_timeout, Some(Duration::from_secs(7)));
        assert_eq!(&*address.application_name, "gw");
    }

    #[test]
    fn verifies_the_server_unless_it_is_here_or_told_not_to() {
        for (text, expected) in [
            ("postgres://u@db.example.com/d", Some(Authorities::Platform)),
            ("postgres://u@db.example.com/d?sslmode=require", Some(Authorities::Platform)),
            ("postgres://u@db.example.com/d?sslmode=verify-full", Some(Authorities::Platform)),
            ("postgres://u@10.0.0.7/d", Some(Authorities::Platform)),
            ("postgres://u@[2001:db8::1]/d", Some(Authorities::Platform)),
            ("postgres://u@localhost.example.com/d", Some(Authorities::Platform)),
            ("postgres://u@db/d?sslrootcert=system", Some(Authorities::Platform)),
            ("postgres://u@db/d?sslrootcert=ca.pem", Some(Authorities::File("ca.pem".into()))),
            ("postgres://u@db.example.com/d?sslmode=disable", None),
            ("postgres://u@127.0.0.1/d", None),
            ("postgres://u@[::1]/d", None),
            ("postgres://u@localhost/d", None),
            ("postgres://u@127.0.0.1/d?sslmode=verify-full", Some(Authorities::Platform)),
        ] {
            assert_eq!(parse(text).unwrap().tls, expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_can_not_do_safely_and_never_shows_the_text() {
        use AddressError as E;
        for (text, expected) in [
            ("", E::Syntax),
            ("canary", E::Syntax),
            ("postgres://u:canary@h:port/d", E::Syntax),
            ("postgres://u:can/ary@h/d", E::Syntax),
            ("postgres://u:1/canary@h/d", E::Database),
            ("postgres://u:can#ary@h/d", E::Syntax),
            ("postgres://u:%ffcanary@h/d", E::Syntax),
            ("postgres://u:a%00canary@h/d", E::Syntax),
            ("postgres://u:canary@h,i/d", E::Host),
            ("postgres://u:canary@h i/d", E::Syntax),
            ("postgres://u:1?canary@h/d", E::Database),
            ("postgres://h/d?canary@h", E::User),
            ("mysql://u:canary@h/d", E::Scheme),
            ("postgres:u:canary@h/d", E::Database),
            ("postgres:///d", E::User),
            ("postgres://:canary@h/d", E::User),
            ("postgres://u:canary@h", E::Database),
            ("postgres://u:canary@h/", E::Database),
            ("postgres://u:canary@h/d?canary=1", E::Parameter),
            ("postgres://u@h/d?password=canary", E::Parameter),
            ("postgres://u@h/d?sslkey=canary", E::Parameter),
            ("postgres://u@h/d?sslmode=allow", E::SslMode),
            ("postgres://u@h/d?sslmode=prefer", E::SslMode),
            ("postgres://u@h/d?sslmode=verify-ca", E::SslMode),
            ("postgres://u@h/d?sslmode=canary", E::SslMode),
            ("postgres://u@h/d?sslmode=disable&sslmode=verify-full", E::Twice),
            ("postgres://u@h/d?sslmode=disable&sslrootcert=ca.pem", E::NoTls),
            ("postgres://u@h/d?sslmode=disable&channel_binding=require", E::NoTls),
            ("postgres://u@localhost/d?sslrootcert=ca.pem", E::NoTls),
            ("postgres://u@h/d?sslrootcert=", E::RootCertificate),
            ("postgres://u@h/d?channel_binding=disable", E::ChannelBinding),
            ("postgres://u@h/d?connect_timeout=0", E::ConnectTimeout),
            ("postgres://u@h/d?connect_timeout=canary", E::ConnectTimeout),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_is_a_socket_and_has_no_tls() {
        let address = parse("postgres://u@%2Frun%2Fpostgresql/d").unwrap();
        assert_eq!(address.host, Host::Socket("/run/postgresql".into()));
        assert!(address.is_local() && !address.uses_tls());
        assert_eq!(address.to_string(), "postgres://u@%2Frun%2Fpostgresql:5432/d");
        let refused = parse("postgres://u@%2Frun/d?sslmode=verify-full").unwrap_err();
        assert_eq!(refused, AddressError::SocketTls);
    }

    #[test]
    fn shows_all_but_the_password() {
        let address = parse("postgres://u:canary@[::1]:7/d").unwrap();
        assert_eq!(address.to_string(), "postgres://u@[::1]:7/d");
        assert!(!format!("{address:?}").contains("canary"), "{address:?}");
        assert!(address.has_password());
    }

    #[test]
    fn is_equal_only_if_every_part_is() {
        let base = parse("postgres://u:p@h:1/d").unwrap();
        assert_eq!(base, parse("postgresql://u:p@h:1/d?sslmode=verify-full").unwrap());
        let given = parse("postgres://u@h:1/d").unwrap();
        assert_eq!(base, given.with_password(SecretString::from("p")));
        for other in [
            "postgres://v:p@h:1/d",
            "postgres://u:q@h:1/d",
            "postgres://u@h:1/d",
            "postgres://u:p@i:1/d",
            "postgres://u:p@h:2/d",
            "postgres://u:p@h:1/e",
            "postgres://u:p@h:1/d?sslmode=disable",
            "postgres://u:p@h:1/d?sslrootcert=x",
            "postgres://u:p@h:1/d?channel_binding=require",
            "postgres://u:p@h:1/d?connect_timeout=1",
            "postgres://u:p@h:1/d?application_name=x",
        ] {
            assert_ne!(base, parse(other).unwrap(), "{other}");
        }
    }
}
