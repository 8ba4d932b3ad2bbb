use std::ffi::OsString;
use std::fmt;

use tokio_postgres::config::{ChannelBinding, Host, LoadBalanceHosts, TargetSessionAttrs};

use crate::config::Config;
use crate::target::{SslMode, Target};
use crate::{Error, Result};

/// How programs that stand on libpq, such as `pg_dump`, reach the same server: by environment variables, so that no
/// password stands in a list of arguments.
#[derive(Clone)]
pub struct LibpqEnvironment {
    /// Names and values; the password is among them.
    pub variables: Vec<(&'static str, OsString)>,
    /// Whether the connection is, or may be, protected by TLS on its way to another machine.
    pub wants_tls: bool,
}

impl LibpqEnvironment {
    /// Of what `config` says, as this crate understands it.
    pub fn new(config: &Config) -> Result<Self> {
        let target = Target::from_config(config)?;
        let driver = &target.driver;
        let mut variables: Vec<(&'static str, OsString)> = Vec::new();
        let mut set = |name, value: Option<OsString>| variables.extend(value.map(|value| (name, value)));

        let hosts = driver.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => Ok(name.clone()),
            #[cfg(unix)]
            Host::Unix(path) => path
                .to_str()
                .map(str::to_owned)
                .ok_or_else(|| Error::Config("the path of the server's socket is not UTF-8".to_owned())),
        });
        set("PGHOST", list(&hosts.collect::<Result<Vec<_>>>()?));
        set("PGHOSTADDR", list(&driver.get_hostaddrs().iter().map(ToString::to_string).collect::<Vec<_>>()));
        set("PGPORT", list(&driver.get_ports().iter().map(ToString::to_string).collect::<Vec<_>>()));
        set("PGUSER", driver.get_user().map(OsString::from));
        set("PGPASSWORD", driver.get_password().map(password));
        // libpq, too, takes the user's name where no database is named.
        set("PGDATABASE", driver.get_dbname().map(OsString::from));
        set("PGOPTIONS", driver.get_options().map(OsString::from));
        set("PGAPPNAME", driver.get_application_name().map(OsString::from));
        set("PGCONNECT_TIMEOUT", Some(config.connect_timeout.as_secs().max(2).to_string().into()));
        set("PGTARGETSESSIONATTRS", session_attributes(driver.get_target_session_attrs()));
        set("PGLOADBALANCEHOSTS", load_balancing(driver.get_load_balance_hosts()));
        set("PGCHANNELBINDING", channel_binding(driver.get_channel_binding()));
        set("PGSSLMODE", Some(ssl_mode(target.ssl_mode).into()));
        let root = match (&target.ssl_root_cert, target.ssl_mode) {
            (Some(path), _) => Some(path.clone().into_os_string()),
            // Without a file of one's own, the roots that the system trusts: as this crate does.
            (None, SslMode::VerifyFull) => Some("system".into()),
            (None, _) => None,
        };
        set("PGSSLROOTCERT", root);

        let stays_here = driver.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
            && driver.get_hosts().iter().all(is_this_machine);
        let wants_tls = match target.ssl_mode {
            SslMode::Disable => false,
            SslMode::Prefer => !stays_here,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => true,
        };
        Ok(Self { variables, wants_tls })
    }
}

impl fmt::Debug for LibpqEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("LibpqEnvironment").field("set", &names).field("wants_tls", &self.wants_tls).finish()
    }
}

fn list(values: &[String]) -> Option<OsString> {
    (!values.is_empty()).then(|| values.join(",").into())
}

fn password(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt as _;
    OsString::from_vec(bytes.to_vec())
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
    }
}

fn ssl_mode(mode: SslMode) -> &'static str {
    match mode {
        SslMode::Disable => "disable",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    }
}

// What is the default in both stays unsaid; the driver's enums may grow.
fn session_attributes(attributes: TargetSessionAttrs) -> Option<OsString> {
    match attributes {
        TargetSessionAttrs::ReadWrite => Some("read-write".into()),
        TargetSessionAttrs::ReadOnly => Some("read-only".into()),
        _ => None,
    }
}

fn load_balancing(hosts: LoadBalanceHosts) -> Option<OsString> {
    (hosts == LoadBalanceHosts::Random).then(|| "random".into())
}

fn channel_binding(binding: ChannelBinding) -> Option<OsString> {
    match binding {
        ChannelBinding::Disable => Some("disable".into()),
        ChannelBinding::Require => Some("require".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectionUrl;

    fn environment(url: &str) -> LibpqEnvironment {
        LibpqEnvironment::new(&Config::new(ConnectionUrl::new(url))).unwrap()
    }

    fn get<'a>(environment: &'a LibpqEnvironment, name: &str) -> Option<&'a str> {
        let found = environment.variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_str().unwrap())
    }

    #[test]
    fn libpq_is_told_everything_that_the_connection_string_says() {
        let told = environment(
            "postgresql://me:p%20w@a:1,b:2/d?target_session_attrs=read-write&sslmode=verify-full\
             &sslrootcert=/ca.pem&options=-c%20role%3Dreader",
        );
        for (name, value) in [
            ("PGHOST", "a,b"),
            ("PGPORT", "1,2"),
            ("PGUSER", "me"),
            ("PGPASSWORD", "p w"),
            ("PGDATABASE", "d"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/ca.pem"),
            ("PGTARGETSESSIONATTRS", "read-write"),
        ] {
            assert_eq!(get(&told, name), Some(value), "{name}");
        }
        assert!(get(&told, "PGOPTIONS").unwrap().ends_with("-c role=reader"));
        assert!(told.wants_tls && !format!("{told:?}").contains("p w"), "{told:?}");
    }

    #[test]
    fn tls_is_wanted_where_the_connection_leaves_this_machine() {
        for (url, wanted) in [
            ("postgresql://u@%2Frun/d", false),
            ("postgresql://u@127.0.0.1/d", false),
            ("postgresql://u@localhost/d?sslmode=require", true),
            ("postgresql://u@db.example/d", true),
            ("postgresql://u@db.example/d?sslmode=disable", false),
        ] {
            assert_eq!(environment(url).wants_tls, wanted, "{url}");
        }
        let trusted = environment("postgresql://u@h/d?sslmode=verify-full");
        assert_eq!(get(&trusted, "PGSSLROOTCERT"), Some("system"));
    }
}
