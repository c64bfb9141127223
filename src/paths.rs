//! Where state, control socket and configuration are: options, environment and user in, paths
//! out. Never asks the configuration, so that `status` works while the file is broken, and never
//! touches the paths.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

/// The configuration where no option names one.
pub const CONFIGURATION: &str = "/etc/config/waproxy";

/// The folder of what must survive: the certificate and its key. `option` is `--state-dir`.
pub fn state_dir(option: Option<PathBuf>) -> Result<PathBuf, Error> {
    Environment::of_process().state_dir(option)
}

/// The control socket. `option` is `--control`, `state_dir` is `--state-dir`.
pub fn control(option: Option<PathBuf>, state_dir: Option<PathBuf>) -> Result<PathBuf, Error> {
    Environment::of_process().control(option, state_dir)
}

/// Why there is no path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An ordinary user without a home.
    #[error(
        "no folder for state and control socket: set HOME, or --state-dir (WAPROXY_STATE_DIR) and --control (WAPROXY_CONTROL)"
    )]
    Homeless,
}

/// What the process was started with and by whom.
struct Environment<V> {
    /// Whether the router's own paths are meant.
    system: bool,
    /// The environment's variables.
    variable: V,
}

impl Environment<fn(&str) -> Option<OsString>> {
    fn of_process() -> Self {
        let user = rustix::process::geteuid();
        let passwd = || fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self {
            system: user.is_root() || is_service(&passwd(), user.as_raw()),
            variable: |name| env::var_os(name),
        }
    }
}

impl<V: Fn(&str) -> Option<OsString>> Environment<V> {
    fn state_dir(&self, option: Option<PathBuf>) -> Result<PathBuf, Error> {
        if let Some(path) = option.or_else(|| self.path("WAPROXY_STATE_DIR")) {
            return Ok(path);
        }
        if self.system {
            return Ok("/etc/waproxy".into());
        }
        let state = self.absolute_path("XDG_STATE_HOME");
        let home = || self.path("HOME").map(|home| home.join(".local/state"));
        let state = state.or_else(home).ok_or(Error::Homeless)?;
        Ok(state.join("waproxy"))
    }

    fn control(
        &self,
        option: Option<PathBuf>,
        state_dir: Option<PathBuf>,
    ) -> Result<PathBuf, Error> {
        if let Some(path) = option.or_else(|| self.path("WAPROXY_CONTROL")) {
            return Ok(path);
        }
        if self.system {
            return Ok("/var/run/waproxy/control.sock".into());
        }
        let folder = match self.absolute_path("XDG_RUNTIME_DIR") {
            Some(runtime) => runtime.join("waproxy"),
            None => self.state_dir(state_dir)?,
        };
        Ok(folder.join("control.sock"))
    }

    /// A variable that is there and not empty.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let value = (self.variable)(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    }

    /// As [`Self::path`]; XDG's specification has relative paths ignored.
    fn absolute_path(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| path.is_absolute())
    }
}

/// Whether `uid` is the user `waproxy` of `passwd`.
fn is_service(passwd: &str, uid: u32) -> bool {
    passwd.lines().any(|line| {
        let mut fields = line.split(':');
        fields.next() == Some("waproxy") && fields.nth(1) == Some(&uid.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(
        system: bool,
        variables: &'a [(&'a str, &'a str)],
    ) -> Environment<impl Fn(&str) -> Option<OsString> + 'a> {
        Environment {
            system,
            variable: move |name: &str| {
                let mut variables = variables.iter();
                let (_, value) = variables.find(|(known, _)| *known == name)?;
                Some(OsString::from(value))
            },
        }
    }

    fn both(system: bool, variables: &[(&str, &str)]) -> (String, String) {
        let environment = environment(system, variables);
        let text = |path: PathBuf| path.to_str().unwrap().to_string();
        let state = environment.state_dir(None).unwrap();
        (text(state), text(environment.control(None, None).unwrap()))
    }

    fn are(paths: &(String, String), state: &str, control: &str) {
        assert_eq!(*paths, (state.to_string(), control.to_string()));
    }

    #[test]
    fn root_and_the_service_get_the_routers_paths() {
        let variables = [("HOME", "/root"), ("XDG_RUNTIME_DIR", "/run/user/0")];
        let paths = both(true, &variables);
        are(&paths, "/etc/waproxy", "/var/run/waproxy/control.sock");
    }

    #[test]
    fn others_get_xdg_folders() {
        let variables = [
            ("HOME", "/home/a"),
            ("XDG_STATE_HOME", "/s"),
            ("XDG_RUNTIME_DIR", "/r"),
        ];
        are(
            &both(false, &variables),
            "/s/waproxy",
            "/r/waproxy/control.sock",
        );
        are(
            &both(false, &variables[..1]),
            "/home/a/.local/state/waproxy",
            "/home/a/.local/state/waproxy/control.sock",
        );
    }

    #[test]
    fn the_environment_beats_the_user_and_an_option_beats_both() {
        let variables = [("WAPROXY_STATE_DIR", "/s"), ("WAPROXY_CONTROL", "c.sock")];
        are(&both(true, &variables), "/s", "c.sock");
        let environment = environment(true, &variables);
        let option = || Some(PathBuf::from("/option"));
        assert_eq!(environment.state_dir(option()).unwrap(), option().unwrap());
        let control = environment.control(option(), None);
        assert_eq!(control.unwrap(), option().unwrap());
    }

    #[test]
    fn the_socket_follows_the_option_of_the_state() {
        let control = environment(false, &[]).control(None, Some("/s".into()));
        assert_eq!(control.unwrap(), PathBuf::from("/s/control.sock"));
    }

    #[test]
    fn empty_and_relative_variables_are_absent() {
        let variables = [
            ("WAPROXY_STATE_DIR", ""),
            ("WAPROXY_CONTROL", ""),
            ("XDG_STATE_HOME", "s"),
            ("XDG_RUNTIME_DIR", ""),
            ("HOME", "/h"),
        ];
        are(
            &both(false, &variables),
            "/h/.local/state/waproxy",
            "/h/.local/state/waproxy/control.sock",
        );
        let homeless = environment(false, &[("HOME", "")]).state_dir(None);
        assert!(matches!(homeless, Err(Error::Homeless)));
    }

    #[test]
    fn the_service_is_known_by_its_uid() {
        let passwd = "root:x:0:0::/root:/bin/ash\nwaproxy:x:453:453::/var/run/waproxy:/bin/false\n";
        assert!(is_service(passwd, 453));
        assert!(!is_service(passwd, 45));
        assert!(!is_service(passwd, 0));
        assert!(!is_service("waproxy2:x:453:453::/:/bin/false", 453));
        assert!(!is_service("", 453));
    }
}
