//! The init script under a stand-in for procd. That it does the same under the real one was shown
//! by hand, with OpenWrt's own sources of 24.10 and 25.12.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use serde_json::Value;

use crate::support::authority::{ECDSA, Pair, self_signed};
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

/// Puts a pair where only root may read its key.
fn copy_pair(router: &Router, pair: &Pair) {
    fs::copy(&pair.cert, router.path("/etc/cert.pem")).unwrap();
    fs::copy(&pair.key, router.path("/etc/key.pem")).unwrap();
    fs::set_permissions(router.path("/etc/key.pem"), Permissions::from_mode(0o600)).unwrap();
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
fn the_doctor_says_why_nothing_runs() {
    let router = Router::new();
    let found = |words: &[&str]| {
        let ended = router.run(&[&["/etc/init.d/waproxy", "doctor", "--json"], words].concat());
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["works"], false);
        report
    };
    for (setup, what, cause) in [
        (
            setup().main("workers", "many"),
            "option workers 'many'",
            "mend it",
        ),
        (
            setup().main("enabled", 0),
            "option enabled '0'",
            "set it to '1'",
        ),
        (setup(), "in order", "service waproxy start"),
    ] {
        router.configure(&setup);
        let found = found(&[]);
        let step = &found["steps"][0];
        assert_eq!(
            [&step["name"], &step["result"]],
            ["configuration", "failed"]
        );
        assert!(step["what"].as_str().unwrap().contains(what), "{found:#}");
        assert!(step["cause"].as_str().unwrap().contains(cause), "{found:#}");
    }
    let other = found(&["127.0.0.1"]);
    assert_eq!(other["steps"][1]["name"], "chat_port", "{other:#}");
}

#[test]
fn off_is_off_whatever_else_is_wrong() {
    let router = Router::new();
    let folder = Folder::new();
    let with_pair = setup()
        .main("cert", "/etc/cert.pem")
        .main("key", "/etc/key.pem");
    let bring_pair = || copy_pair(&router, &self_signed(&folder, "one.example", ECDSA));
    let off = |setup: &Setup| setup.clone().main("enabled", 0);
    bring_pair();
    router.configure(&with_pair);
    router.start();
    fs::remove_file(router.path("/etc/cert.pem")).unwrap();
    router.follow(&off(&with_pair));
    router.until("without certificate it ends", |router| {
        router.status().is_none()
    });
    router.run(&["waproxy", "check", "--service"]).success();
    let ended = router.run(&["waproxy", "check"]);
    assert!(ended.stderr.contains("/etc/cert.pem"), "{}", ended.stderr);

    for wrong in ["enabled '0'\n\toption workers 'many'", "workers 'many'"] {
        router.configure(&setup());
        router.start();
        router.write(
            "/etc/config/waproxy",
            &format!("config waproxy 'main'\n\toption {wrong}\n"),
        );
        router.service("reload").success();
        router.until("it ends", |router| router.status().is_none());
    }

    // A change that is not committed counts no more than any other.
    router.configure(&setup());
    router.start();
    let set = ["uci", "set", "waproxy.main.enabled=0"];
    router.run(&set).success();
    router.service("reload").success();
    assert_eq!(router.service("status").status.code(), Some(0));
    router.run(&["uci", "revert", "waproxy"]).success();

    // Nor is a file that cannot be read one that says off.
    router.write("/etc/config/waproxy", "config waproxy 'main\n");
    router.service("reload").success();
    assert_eq!(router.service("status").status.code(), Some(0));

    // Nor is it kept up by folders that are not root's.
    router.configure(&setup().main("enabled", 0));
    chown(router.path("/var/etc"), Some(1), None).unwrap();
    router.service("reload").success();
    router.until("it ends", |router| router.status().is_none());
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
        ("/zone", 0o640),
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
    assert_eq!(ended.status.code(), Some(1));
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
fn what_runs_goes_on_when_the_copy_of_its_configuration_is_of_no_use() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    let daemon = router.daemon();
    router.write("/var/etc/waproxy/config", "nothing");
    router.configure(&setup().main("workers", "many"));
    let ended = router.service("reload");
    assert_eq!(ended.status.code(), Some(1));
    for line in ["option workers 'many'", "of no use either"] {
        assert!(ended.stderr.contains(line), "{}", ended.stderr);
    }
    assert_eq!(router.daemon(), daemon);
    assert!(router.status().is_some());
}

#[test]
fn what_is_handed_over_is_what_was_judged() {
    let router = Router::new();
    router
        .run(&["mv", "/usr/bin/waproxy", "/usr/bin/real"])
        .success();
    // Whoever writes the configuration while it is judged.
    router.write(
        "/usr/bin/waproxy",
        "#!/bin/sh
        [ \"$1\" = check ] || exec /usr/bin/real \"$@\"
        /usr/bin/real \"$@\"
        code=$?
        echo nothing >/etc/config/waproxy
        exit $code",
    );
    router.run(&["chmod", "755", "/usr/bin/waproxy"]).success();
    router.configure(&setup());
    router.service("start").success();
    assert_eq!(router.read("/var/etc/waproxy/config"), setup().text());
}

/// A file system of its own for what is handed over, with some pages.
struct Disk<'a>(&'a Router);

impl<'a> Disk<'a> {
    fn new(router: &'a Router) -> Self {
        fs::create_dir(router.path("/var/etc")).unwrap();
        let words = [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            "size=160k",
            "none",
            "/var/etc",
        ];
        router.run(&words).success();
        Self(router)
    }

    /// Fills it but for so many pages.
    fn leave(&self, pages: usize) {
        let path = self.0.path("/var/etc/fill");
        let _ = fs::remove_file(&path);
        let dd = ["dd", "if=/dev/zero", "of=/var/etc/fill", "bs=4k"];
        assert!(!self.0.run(&dd).status.success());
        let length = path.metadata().unwrap().len();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(length - 4096 * u64::try_from(pages).unwrap())
            .unwrap();
    }
}

#[test]
fn a_full_disk_takes_nothing_from_what_runs() {
    let router = Router::new();
    let folder = Folder::new();
    let disk = Disk::new(&router);
    let pair = |name: &str| copy_pair(&router, &self_signed(&folder, name, ECDSA));
    let mut setup = setup()
        .main("cert", "/etc/cert.pem")
        .main("key", "/etc/key.pem");
    // Of more than a page.
    for port in 20000..20080 {
        setup = setup.with(listener_on(port, &format!("off{port}"), "chat").option("enabled", 0));
    }
    setup = setup.with(listener_on(20080, "last", "chat"));
    pair("first.example");
    router.configure(&setup);
    router.start();
    let daemon = router.daemon();
    disk.leave(0);
    let before = router.read("/var/run/procd/waproxy/instance");
    router.service("reload").success();
    assert_eq!(router.read("/var/run/procd/waproxy/instance"), before);

    for pages in 0..16 {
        disk.leave(pages);
        pair(&format!("pair{pages}.example"));
        router.service("reload").success();
        let config = router.read("/var/etc/waproxy/config");
        for option in ["cert", "key"] {
            let line = format!("option {option} '");
            let path = config.split(&line).nth(1).unwrap();
            let path = path.split('\'').next().unwrap();
            assert_ne!(router.read(path), "", "{pages} pages: {path}");
        }
        assert!(config.contains("'last'"), "{pages} pages: {config}");
    }
    assert_eq!(router.daemon(), daemon);
    router.run(&["kill", "-9", daemon.trim()]).success();
    router.until("it runs again", |router| {
        router.daemon() != daemon && router.status().is_some()
    });

    fs::remove_file(router.path("/var/etc/fill")).unwrap();
    router.service("reload").success();
    router.until("with room all is well", |router| {
        let status = router.status().expect("it runs");
        status.0["certificate"]["names"]
            .to_string()
            .contains("pair15.example")
    });
    assert_eq!(router.problems(), "[]");
}

#[test]
fn what_has_no_room_for_its_configuration_does_not_start() {
    let router = Router::new();
    let disk = Disk::new(&router);
    router.configure(&setup());
    let mut refused = 0;
    for pages in 0..6 {
        disk.leave(pages);
        let ended = router.service("start");
        if ended.status.success() {
            assert_eq!(router.read("/var/etc/waproxy/config"), setup().text());
        } else {
            refused += 1;
            assert!(ended.stderr.contains("/var/etc/waproxy"), "{pages}");
            assert_eq!(router.service("status").status.code(), Some(3));
        }
        router.service("stop").success();
    }
    assert!((2..6).contains(&refused), "{refused}");
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
        router.write("/etc/TZ", zone);
        router.service("reload").success();
        router.read("/var/etc/waproxy/zone")
    };
    let reads = |times: usize| {
        router.until("it has read it", |router| {
            let log = router.read("/var/run/procd/waproxy/log");
            let read = log.matches("the configuration has been read again");
            read.count() == times
        });
    };
    let here = "HERE-5:30\n";
    assert_eq!(zone(here), here);
    reads(1);
    // The same once more is nothing new.
    assert_eq!(zone(here), here);
    let there = "THERE3SUMMER,M3.5.0,M10.5.0\n";
    assert_eq!(zone(there), there);
    reads(2);
    // A router that has files of zones.
    let berlin = "CET-1CEST,M3.5.0,M10.5.0/3\n";
    fs::remove_file(router.path("/etc/TZ")).unwrap();
    // What is there may be a link to a file of the machine's.
    let _ = fs::remove_file(router.path("/etc/localtime"));
    router.write("/etc/localtime", &format!("TZif2\0\u{1}\n{berlin}"));
    router.service("reload").success();
    assert_eq!(router.read("/var/etc/waproxy/zone"), berlin);
    // The router's own service has set the zone by then.
    let triggers = router.read("/var/run/procd/waproxy/triggers");
    assert!(
        triggers.contains("config.change 3000 system\n"),
        "{triggers}"
    );
    assert_eq!(router.daemon(), daemon);
}

#[test]
fn switched_off_the_service_leaves_a_history_only_where_one_is_wanted() {
    for (wanted, running) in [(true, true), (false, true), (false, false)] {
        let router = Router::new();
        let history = router.path("/etc/waproxy/history");
        router.configure(&setup().main("keep_history", 1));
        router.start();
        if !running {
            router.service("stop").success();
            router.until("it is kept", |_| history.exists());
        }
        let off = setup().main("enabled", 0);
        router.configure(&off.main("keep_history", u8::from(wanted)));
        router
            .service(if running { "reload" } else { "start" })
            .success();
        router.until("it has ended", |router| router.status().is_none());
        assert_eq!(history.exists(), wanted, "{running}");
        // Switched on again it is kept again.
        let _ = fs::remove_file(&history);
        router.configure(&setup().main("keep_history", 1));
        router.start();
        router.run(&["kill", router.daemon().trim()]).success();
        router.until("it is kept", |_| history.exists());
    }
}

#[test]
fn the_name_in_the_dns_is_what_is_shared() {
    let router = Router::new();
    let setup = setup().with(listener_on(587, "media_in", "media"));
    let setup = setup.with(upstream("media", "127.0.0.1:9", "none"));
    router.configure(&setup);
    router.start();
    let share = |router: &Router| router.run(&["waproxy", "share"]);
    let ended = share(&router);
    assert!(
        ended.stderr.contains("no host to share"),
        "{}",
        ended.stderr
    );

    router.write(
        "/etc/config/ddns",
        "config service 'off'
            option enabled '0'
            option lookup_host 'off.example.org'
        config service 'six'
            option enabled '1'
            option use_ipv6 '1'
            option lookup_host 'six.example.org'
        config service 'odd'
            option enabled '1'
            option domain 'user@x y.example.org'
        config service 'four'
            option enabled '1'
            option lookup_host 'home.example.org'
            option domain 'other.example.org'
        config service 'again'
            option enabled '1'
            option domain 'again.example.org'\n",
    );
    router.service("reload").success();
    let link = share(&router).success();
    assert!(link.contains("host=home.example.org&"), "{link}");
    let status = router.status().expect("it runs");
    assert_eq!(status.0["address"]["source"], "ddns");

    router.follow(&setup.main("host", "proxy.example.org"));
    router.until("the option comes first", |router| {
        share(router).success().contains("host=proxy.example.org&")
    });
}

#[test]
fn upstreams_are_bound_to_the_device_of_a_network() {
    let router = Router::new();
    let device = |router: &Router| {
        let config = router.read("/var/etc/waproxy/config");
        let rest = config.split("option upstream_interface '").nth(1).unwrap();
        rest.split('\'').next().unwrap().to_owned()
    };
    let setup = setup().main("upstream_interface", "wanb");
    router.configure(&setup);
    router.start();
    assert_eq!(device(&router), "wanb", "not up yet, or a device");
    router.write("/var/run/network/wanb.device", "pppoe-wanb\n");
    router.service("reload").success();
    assert_eq!(device(&router), "pppoe-wanb");
    assert_eq!(router.problems(), "[]");
    router.until("it is used", |router| {
        let status = router.status().expect("it runs");
        let error = status.upstream("chat")["last_error"].to_string();
        error.contains("network device pppoe-wanb: No such device")
    });
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
    let pair = |name: &str| copy_pair(&router, &self_signed(&folder, name, ECDSA));
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
    // What is not committed is not handed over with it.
    let set = ["uci", "set", "waproxy.main.workers=many"];
    router.run(&set).success();
    router.service("reload").success();
    assert_eq!(router.problems(), "[]");
    let config = router.read("/var/etc/waproxy/config");
    assert!(!config.contains("many"), "{config}");

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

    // Without memory for uci there is no configuration that names the copies.
    pair("three.example");
    let uci = router.path("/usr/bin/uci");
    fs::rename(&uci, router.path("/usr/bin/real")).unwrap();
    let fails = "#!/bin/sh\n[ \"$6\" != set ] || exit 1\nexec /usr/bin/real \"$@\"\n";
    fs::write(&uci, fails).unwrap();
    fs::set_permissions(&uci, Permissions::from_mode(0o755)).unwrap();
    router.service("reload").success();
    assert_eq!(router.read("/var/etc/waproxy/config"), config);
    assert!(router.problems().contains("/etc/cert.pem"));
}

#[test]
fn a_page_for_browsers_is_handed_over_and_followed() {
    let router = Router::new();
    let page = "/etc/a page.html";
    let write = |text: &str| {
        router.write(page, text);
        fs::set_permissions(router.path(page), Permissions::from_mode(0o600)).unwrap();
    };
    let shown = || {
        let curl = ["curl", "--silent", "--insecure", "https://127.0.0.1:10443/"];
        router.run(&curl).stdout
    };
    write("<p>one\n");
    let decoy = |name, port| {
        let listener = listener_on(port, name, "chat").option("tls", 1);
        listener.option("decoy", page)
    };
    router.configure(
        &setup()
            .with(decoy("chat_tls", 443))
            .with(decoy("other", 444)),
    );
    router.start();
    assert_eq!(shown(), "<p>one\n");
    write("<p>two\n");
    router.service("reload").success();
    router.until("the new one is shown", |_| shown() == "<p>two\n");
    let copies = fs::read_dir(router.path("/var/etc/waproxy")).unwrap();
    let copies = copies.map(|file| file.unwrap().file_name());
    let pages = copies.filter(|name| name.to_string_lossy().starts_with("page-"));
    assert_eq!(pages.count(), 1);

    fs::remove_file(router.path(page)).unwrap();
    router.service("reload").success();
    let problems = router.problems();
    assert!(
        problems.contains("option decoy: /etc/a page.html: No such file"),
        "{problems}"
    );
    assert_eq!(shown(), "<p>two\n");
    assert_eq!(router.run(&["waproxy", "check"]).status.code(), Some(1));
}

#[test]
fn a_page_that_others_can_change_is_refused_and_what_runs_goes_on() {
    let router = Router::new();
    let (folder, page) = (
        router.path("/etc/pages"),
        router.path("/etc/pages/page.html"),
    );
    let shown = || {
        let curl = ["curl", "--silent", "--insecure", "https://127.0.0.1:10443/"];
        router.run(&curl).stdout
    };
    fs::create_dir(&folder).unwrap();
    fs::write(&page, "<p>page\n").unwrap();
    router.write("/etc/precious", "precious");
    let listener = listener_on(443, "chat_tls", "chat").option("tls", 1);
    let with_page = setup().with(listener.option("decoy", "/etc/pages/page.html"));
    router.configure(&with_page);
    router.start();
    let daemon = router.daemon();
    let refused = |what: &str| {
        router.service("reload").success();
        let problem = "/etc/pages/page.html is not a file of root's in a folder of root's";
        let problems = router.problems();
        assert!(problems.contains(problem), "{what}: {problems}");
        assert_eq!(shown(), "<p>page\n", "{what}");
        assert_eq!(router.daemon(), daemon, "{what}");
    };
    let accepted = || {
        router.service("reload").success();
        assert_eq!(router.problems(), "[]");
    };

    let aside = router.path("/etc/pages/aside");
    fs::rename(&page, &aside).unwrap();
    symlink("/etc/precious", &page).unwrap();
    refused("a link");
    fs::rename(&aside, &page).unwrap();
    accepted();

    let aside = router.path("/etc/aside");
    fs::rename(&folder, &aside).unwrap();
    symlink("/etc/aside", &folder).unwrap();
    refused("in a folder behind a link");
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    accepted();

    for path in [&page, &folder] {
        chown(path, Some(1), None).unwrap();
        refused("of another user");
        chown(path, Some(0), None).unwrap();
        accepted();
    }
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
fn nobody_elses_process_ends_for_a_program_that_was_replaced() {
    let router = Router::new();
    router.configure(&setup());
    // As an init script whose shell is replaced: it is called as the daemon is.
    let script = "#!/usr/bin/old-sh\nwhile :; do sleep 1; done\n";
    fs::create_dir(router.path("/etc/scripts")).unwrap();
    router.write("/etc/scripts/waproxy", script);
    router.run(&["cp", "/bin/sh", "/usr/bin/old-sh"]).success();
    let run = "chmod 755 /etc/scripts/waproxy; /etc/scripts/waproxy >/dev/null 2>&1 & echo $!";
    let script = router.run(&["sh", "-c", run]).stdout;
    fs::remove_file(router.path("/usr/bin/old-sh")).unwrap();
    router.start();
    let exe = fs::read_link(format!("/proc/{}/exe", script.trim()));
    router.run(&["kill", script.trim()]).success();
    assert!(exe.unwrap().ends_with("old-sh (deleted)"));
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
                "zone",
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
    assert_eq!(ended.status.code(), Some(1));
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

#[test]
fn a_folder_that_is_taken_from_root_ends_nothing_and_a_stop_deletes_nothing_there() {
    let router = Router::new();
    router.configure(&setup());
    router.start();
    let daemon = router.daemon();
    chown(router.path("/var/etc"), Some(1), None).unwrap();
    let ended = router.service("reload");
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains("not a folder of root's"),
        "{}",
        ended.stderr
    );
    assert_eq!(router.daemon(), daemon);
    assert!(router.status().is_some());

    router.run(&["mv", "/var/etc", "/var/before"]).success();
    symlink("/etc/config", router.path("/var/etc")).unwrap();
    router.service("stop").success();
    assert_eq!(router.read("/etc/config/waproxy"), setup().text());
}
