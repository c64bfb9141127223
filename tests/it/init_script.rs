//! The init script under a stand-in for procd. That it does the same under the real one was shown
//! by hand, with OpenWrt's own sources of 24.10 and 25.12.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use crate::support::authority::{ECDSA, self_signed};
use crate::support::folder::Folder;
use crate::support::router::Router;
use crate::support::setup::{Setup, listener_on, upstream};

/// A configuration that looks nothing up and wants nothing of the firewall.
fn setup() -> Setup {
    Setup::new()
        .main("firewall", 0)
        .with(listener_on(443, "chat_tls", "chat").option("tls", 1))
        .with(upstream("chat", "127.0.0.1:9", "none"))
}

#[test]
fn what_is_switched_off_does_not_run() {
    let router = Router::new();
    router.configure(&setup().main("enabled", 0));
    router.service("start").success();
    assert_eq!(router.service("status").status.code(), Some(3));
    router.follow(&setup());
    router.until("switched on, it runs", |router| router.status().is_some());
    router.follow(&setup().main("enabled", 0));
    router.until("switched off, it ends", |router| router.status().is_none());
    assert_eq!(router.rules(), "");
}

#[test]
fn the_daemon_is_no_root_and_reads_copies() {
    let router = Router::new();
    router.configure(&setup().main("max_connections", 100));
    router.start();
    let daemon = router.daemon();
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.trim())).unwrap();
    let ids: Vec<_> = status
        .lines()
        .filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"))
        .collect();
    assert!(ids.iter().all(|line| !line.ends_with("\t0")), "{ids:?}");
    for (path, mode) in [
        ("", 0o750),
        ("/config", 0o640),
        ("/problems", 0o640),
        ("/utc_offset", 0o640),
    ] {
        let path = format!("/var/etc/waproxy{path}");
        let metadata = router.path(&path).metadata().unwrap();
        assert_eq!(
            (metadata.uid(), metadata.mode() & 0o777),
            (0, mode),
            "{path}"
        );
    }
    let instance = router.read("/var/run/procd/waproxy/instance");
    let limits: Vec<_> = instance
        .lines()
        .filter(|line| line.starts_with("limits "))
        .collect();
    assert_eq!(limits.len(), 1, "{instance}");
    assert!(limits[0].starts_with("limits core=0 nofile="), "{limits:?}");
    assert!(instance.contains("term_timeout 8\n"), "{instance}");
}

#[test]
fn a_wrong_configuration_starts_nothing() {
    let router = Router::new();
    router.configure(&setup().main("workers", "many"));
    let ended = router.service("start");
    assert!(
        ended.stderr.contains("option workers 'many'"),
        "{}",
        ended.stderr
    );
    assert_eq!(router.service("status").status.code(), Some(3));
    // Mended, a reload is enough.
    router.follow(&setup());
    router.until("it runs", |router| router.status().is_some());
}

#[test]
fn a_wrong_configuration_leaves_the_running_service_alone() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    let (daemon, instance) = (router.daemon(), "/var/run/procd/waproxy/instance");
    let before = router.read(instance);

    router.follow(&setup().main("workers", "many"));
    assert_eq!(router.read(instance), before);
    assert_eq!(router.daemon(), daemon);
    assert!(router.problems().contains("option workers 'many'"));

    router.run(&["kill", "-9", daemon.trim()]).success();
    router.until("it runs again", |router| {
        router.daemon() != daemon && router.status().is_some()
    });
    assert!(router.problems().contains("option workers 'many'"));

    router.follow(&setup());
    assert_eq!(router.problems(), "[]");
}

#[test]
fn a_right_configuration_reaches_the_running_daemon() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    let daemon = router.daemon();
    let more = setup().with(listener_on(8222, "more", "chat"));
    router.follow(&more);
    router.until("it has the new listener", |router| {
        let status = router.status().expect("it runs");
        status.0["listeners"].as_array().unwrap().len() == 2
    });
    assert_eq!(router.daemon(), daemon);
}

#[test]
fn the_daemon_learns_the_time_zone_and_when_it_changes() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    let daemon = router.daemon();
    let zone = |zone: &str| {
        let words = ["env", zone, "/etc/init.d/waproxy", "reload"];
        router.run(&words).success();
        router.read("/var/etc/waproxy/utc_offset")
    };
    assert_eq!(zone("TZ=HERE-5:30"), "+0530\n");
    router.until("it has read it", |router| {
        let log = router.read("/var/run/procd/waproxy/log");
        log.contains("the configuration has been read again")
    });
    assert_eq!(zone("TZ=THERE3"), "-0300\n");
    assert_eq!(router.daemon(), daemon);
}

#[test]
fn a_reload_after_a_stop_starts_nothing() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    router.service("stop").success();
    router.service("reload").success();
    assert_eq!(router.service("status").status.code(), Some(3));
}

#[test]
fn the_operators_pair_is_handed_over_and_followed() {
    let router = Router::new();
    let folder = Folder::new();
    let pair = |name: &str| {
        let pair = self_signed(&folder, name, ECDSA);
        fs::copy(pair.cert, router.path("/etc/cert.pem")).unwrap();
        fs::copy(pair.key, router.path("/etc/key.pem")).unwrap();
        fs::set_permissions(router.path("/etc/key.pem"), Permissions::from_mode(0o600)).unwrap();
    };
    let names = |router: &Router| {
        let status = router.status().expect("it runs");
        status.0["certificate"]["names"].to_string()
    };
    pair("one.example");
    let setup = setup()
        .main("cert", "/etc/cert.pem")
        .main("key", "/etc/key.pem");
    router.configure(&setup);
    router.start();
    assert!(names(&router).contains("one.example"));

    pair("two.example");
    router.service("reload").success();
    router.until("the new one is in use", |router| {
        names(router).contains("two.example")
    });
    let copies = fs::read_dir(router.path("/var/etc/waproxy")).unwrap();
    let copies = copies.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("pair-")
    });
    assert_eq!(copies.count(), 2);

    router.write("/etc/cert.pem", "nothing");
    router.service("reload").success();
    assert!(router.problems().contains("/etc/cert.pem"));
    assert!(names(&router).contains("two.example"));
}

#[test]
fn a_program_that_was_replaced_is_replaced_in_memory() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    let daemon = router.daemon();
    router
        .run(&["cp", "/usr/bin/waproxy", "/usr/bin/new"])
        .success();
    router
        .run(&["mv", "/usr/bin/new", "/usr/bin/waproxy"])
        .success();
    router.service("start").success();
    router.until("another process runs", |router| {
        router.daemon() != daemon && router.status().is_some()
    });
}

#[test]
fn no_link_that_the_daemon_plants_leads_root_anywhere() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    router.write("/etc/precious", "precious");
    let metadata = |router: &Router| {
        let metadata = router.path("/etc/precious").metadata().unwrap();
        (
            metadata.uid(),
            metadata.mode(),
            metadata.modified().unwrap(),
        )
    };
    let before = metadata(&router);
    let plant = || {
        for folder in ["/var/run/waproxy", "/etc/waproxy"] {
            let owner = router.path(folder).metadata().unwrap().uid();
            for name in [
                "config",
                "problems",
                "utc_offset",
                ".new",
                ".errors",
                "new",
                "resolv.conf",
                "syn_limit.nft",
                "control.sock",
                "control.sock.lock",
                "self-signed.pem",
            ] {
                let link = router.path(&format!("{folder}/{name}"));
                let _ = fs::remove_file(&link);
                let _ = fs::remove_dir_all(&link);
                symlink("/etc/precious", &link).unwrap();
                std::os::unix::fs::lchown(&link, Some(owner), None).unwrap();
            }
        }
    };
    for action in ["reload", "start", "restart", "stop", "start"] {
        plant();
        router.service(action);
        assert_eq!(router.read("/etc/precious"), "precious", "{action}");
        assert_eq!(metadata(&router), before, "{action}");
    }
}

#[test]
fn a_folder_that_is_not_roots_is_refused() {
    let router = Router::new();
    router.configure(&setup());
    fs::create_dir(router.path("/var/etc")).unwrap();
    symlink("/etc", router.path("/var/etc/waproxy")).unwrap();
    let ended = router.service("start");
    assert!(
        ended.stderr.contains("not a folder of root's"),
        "{}",
        ended.stderr
    );
    fs::remove_file(router.path("/var/etc/waproxy")).unwrap();
    chown(router.path("/var/etc"), Some(1), None).unwrap();
    let ended = router.service("start");
    assert!(
        ended.stderr.contains("not a folder of root's"),
        "{}",
        ended.stderr
    );
    assert_eq!(router.service("status").status.code(), Some(3));
}
