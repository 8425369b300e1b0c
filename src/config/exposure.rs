//! Finds what is more open than an owner wants: readable files with secrets (which the service must still be able to
//! read), and trust in strangers.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Config;
use super::trust::overtrust;

/// The user that runs the service in the unit of `wechatd unit`. With `DynamicUser=` systemd creates it for as long as
/// the service runs, unless it exists already.
pub const SERVICE_USER: &str = "wechatd";

/// Where the service's unit is installed.
const UNITS: [&str; 3] = [
    "/etc/systemd/system/wechatd.service",
    "/usr/lib/systemd/system/wechatd.service",
    "/lib/systemd/system/wechatd.service",
];

/// Where `wechatd install` puts the timer of the nightly backup.
const BACKUP_TIMER: &str = "/etc/systemd/system/wechatd-backup.timer";

/// The permission bits of others: to read a file, and to pass through a folder.
const READ: u32 = 0o4;
const PASS: u32 = 0o1;

/// The service's user, for file permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceUser {
    /// Created by systemd: owns no files and is in no group.
    Dynamic,
    /// Created by the owner.
    Static {
        /// Its number (uid).
        uid: u32,
        /// The numbers of its groups.
        gids: Vec<u32>,
    },
}

impl ServiceUser {
    /// Finds it in `/etc/passwd` and `/etc/group`.
    #[must_use]
    pub fn find() -> ServiceUser {
        let list = |path| fs::read_to_string(path).unwrap_or_default();
        ServiceUser::read(&list("/etc/passwd"), &list("/etc/group"))
    }

    fn read(passwd: &str, group: &str) -> ServiceUser {
        let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let own = passwd.lines().map(fields).find_map(|user| {
            let known = user.first().is_some_and(|name| name == SERVICE_USER);
            let number = |n: usize| user.get(n)?.parse().ok();
            known.then(|| number(2).zip(number(3)))?
        });
        let Some((uid, gid)) = own else {
            return ServiceUser::Dynamic;
        };
        let more = group.lines().map(fields).filter_map(|group| {
            let has = group.get(3)?.split(',').any(|name| name == SERVICE_USER);
            has.then(|| group.get(2)?.parse().ok())?
        });
        ServiceUser::Static {
            uid,
            gids: std::iter::once(gid).chain(more).collect(),
        }
    }

    /// The first folder on the path to the file, or the file itself, whose mode keeps this user from reading it.
    #[must_use]
    pub fn blocked_by(&self, file: &Path) -> Option<PathBuf> {
        let file = fs::canonicalize(file).ok()?;
        let folders: Vec<&Path> = file.ancestors().collect();
        let barred = folders.into_iter().rev().find(|path| {
            let needed = if *path == file { READ } else { PASS };
            fs::metadata(path).is_ok_and(|metadata| !self.may(&metadata, needed))
        });
        barred.map(Path::to_owned)
    }

    fn may(&self, metadata: &Metadata, needed: u32) -> bool {
        let mode = metadata.mode();
        let mode = match self {
            ServiceUser::Static { uid, .. } if *uid == metadata.uid() => mode >> 6,
            ServiceUser::Static { gids, .. } if gids.contains(&metadata.gid()) => mode >> 3,
            ServiceUser::Static { .. } | ServiceUser::Dynamic => mode,
        };
        mode & needed != 0
    }

    /// The command that lets this user, but not others, read the file.
    #[must_use]
    pub fn access_command(&self, file: &Path) -> String {
        let give_to_group = give_to_group(file);
        match self {
            ServiceUser::Static { .. } => give_to_group,
            // While the service runs, its name is taken by the user that systemd has created.
            ServiceUser::Dynamic => format!(
                "`useradd --system {SERVICE_USER}` (while the service is stopped), then {give_to_group}"
            ),
        }
    }
}

impl Config {
    /// A warning for each file with a secret that everybody on this machine may read, and for trusted proxies that are
    /// more than proxies.
    ///
    /// A file that a group may read is fine: that is how a service without privileges reads it.
    #[must_use]
    pub fn exposures(&self) -> Vec<String> {
        let mut exposures = Vec::new();
        let service = Service::find();
        if !self.secrets.is_empty()
            && let Some(metadata) = exposed(&self.file)
        {
            let fix = service.fix(&self.file, Owner::of(&metadata));
            exposures.push(warning(&self.file, &self.secrets.join(", "), &fix));
        }
        // systemd reads these files with root's rights and hands the service a copy.
        let server = self.store.server.as_ref();
        let password = server.and_then(|server| server.password_file.as_ref());
        for (file, what) in [
            (self.account.app_secret_file.as_ref(), "the AppSecret"),
            (password, "the store's password"),
        ] {
            let Some(file) = file.filter(|file| exposed(file).is_some()) else {
                continue;
            };
            let fix = match service {
                Service::Nowhere => close_to_all(file),
                Service::Here(_) => close_to_others(file),
            };
            exposures.push(warning(file, what, &fix));
        }
        exposures.extend(overtrust(&self.server.trusted_proxies));
        exposures
    }
}

fn exposed(file: &Path) -> Option<Metadata> {
    let metadata = fs::metadata(file).ok()?;
    (metadata.mode() & READ != 0).then_some(metadata)
}

/// Whether the service's unit is installed on this machine.
#[must_use]
pub fn is_installed() -> bool {
    UNITS.iter().any(|unit| Path::new(unit).exists())
}

/// Whether the timer of its nightly backup is installed, too.
#[must_use]
pub fn has_backup_timer() -> bool {
    Path::new(BACKUP_TIMER).exists()
}

/// Whether this machine runs the service, or is meant to.
#[derive(Debug)]
enum Service {
    /// It has neither a user nor a unit: somebody is trying things out.
    Nowhere,
    /// It runs as this user.
    Here(ServiceUser),
}

/// The owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Root: such files are usually for the service, which has a user of its own.
    Root,
    /// The user of this process.
    Mine,
    /// Another user: this process may be the service.
    Other,
}

impl Service {
    fn find() -> Service {
        let user = ServiceUser::find();
        match user == ServiceUser::Dynamic && !is_installed() {
            true => Service::Nowhere,
            false => Service::Here(user),
        }
    }

    /// The command that keeps others from reading the file.
    fn fix(&self, file: &Path, owner: Owner) -> String {
        match (self, owner) {
            (Service::Nowhere, Owner::Mine) => close_to_all(file),
            (Service::Nowhere, Owner::Root) => format!(
                "{}; for a service with the user {SERVICE_USER} {} instead",
                close_to_all(file),
                give_to_group(file)
            ),
            (Service::Here(_), Owner::Mine) => close_to_others(file),
            (Service::Here(user), Owner::Root | Owner::Other) => user.access_command(file),
            (Service::Nowhere, Owner::Other) => ServiceUser::Dynamic.access_command(file),
        }
    }
}

impl Owner {
    fn of(metadata: &Metadata) -> Owner {
        let process = fs::metadata("/proc/self").map(|process| process.uid());
        match metadata.uid() {
            0 => match process {
                Ok(0) | Err(_) => Owner::Root,
                Ok(_) => Owner::Other,
            },
            uid if process.is_ok_and(|process| process == uid) => Owner::Mine,
            _ => Owner::Other,
        }
    }
}

fn close_to_all(file: &Path) -> String {
    format!("`chmod 600 {}`", file.display())
}

fn give_to_group(file: &Path) -> String {
    let file = file.display();
    format!("`chgrp {SERVICE_USER} {file}; chmod 640 {file}`")
}

fn close_to_others(file: &Path) -> String {
    format!("`chmod o= {}`", file.display())
}

fn warning(file: &Path, what: &str, fix: &str) -> String {
    let file = file.display();
    format!("{file} holds {what}, and everybody on this machine may read it: {fix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nwechatd:x:998:997::/nowhere:/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nwechatd:x:997:\nweb:x:33:ann,wechatd\nother:x:44:wechatd2\n";

    #[test]
    fn the_services_user_is_found_in_passwd_and_group() {
        assert_eq!(
            ServiceUser::read(PASSWD, GROUP),
            ServiceUser::Static {
                uid: 998,
                gids: vec![997, 33]
            }
        );
        for passwd in ["", "root:x:0:0::/:", "wechatd:x:no:number", "wechatd"] {
            assert_eq!(ServiceUser::read(passwd, GROUP), ServiceUser::Dynamic);
        }
    }

    #[test]
    fn the_advice_fits_the_machine() {
        let file = Path::new("/etc/w.conf");
        let says = |service: &Service, owner| service.fix(file, owner);
        let on_a_laptop = Service::Nowhere;
        assert_eq!(says(&on_a_laptop, Owner::Mine), "`chmod 600 /etc/w.conf`");
        let roots = says(&on_a_laptop, Owner::Root);
        assert!(
            roots.starts_with("`chmod 600 /etc/w.conf`; for a service"),
            "{roots}"
        );
        assert!(!roots.contains("useradd"), "{roots}");
        let with_user = Service::Here(ServiceUser::read(PASSWD, GROUP));
        let handed = "`chgrp wechatd /etc/w.conf; chmod 640 /etc/w.conf`";
        for owner in [Owner::Root, Owner::Other] {
            assert_eq!(says(&with_user, owner), handed);
        }
        assert_eq!(says(&with_user, Owner::Mine), "`chmod o= /etc/w.conf`");
        // The unit is installed and systemd creates its user, or this process is that user.
        let with_unit = Service::Here(ServiceUser::Dynamic);
        assert!(says(&with_unit, Owner::Root).contains("useradd"));
        assert!(says(&on_a_laptop, Owner::Other).contains("useradd"));
    }

    #[test]
    fn owner_group_and_others_have_their_own_permissions() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("wechat.conf");
        fs::write(&file, "").expect("written");
        let own = fs::metadata(&file).expect("there");
        let user = |uid, gids: &[u32]| ServiceUser::Static {
            uid,
            gids: gids.to_vec(),
        };
        let (owner, other) = (user(own.uid(), &[]), user(own.uid() + 1, &[own.gid() + 1]));
        let member = user(own.uid() + 1, &[own.gid()]);
        for (mode, by_owner, by_member, by_other) in [
            (0o600, true, false, false),
            (0o640, true, true, false),
            (0o604, true, false, true),
            (0o044, false, true, true),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("set");
            let metadata = fs::metadata(&file).expect("there");
            assert_eq!(owner.may(&metadata, READ), by_owner, "{mode:o}");
            assert_eq!(member.may(&metadata, READ), by_member, "{mode:o}");
            assert_eq!(other.may(&metadata, READ), by_other, "{mode:o}");
            let dynamic = ServiceUser::Dynamic.may(&metadata, READ);
            assert_eq!(dynamic, by_other, "{mode:o}");
        }
    }

    #[test]
    fn a_closed_folder_keeps_out_before_the_file_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = fs::canonicalize(folder.path()).expect("there");
        let file = place.join("wechat.conf");
        fs::write(&file, "").expect("written");
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        };
        set(&file, 0o600);
        set(&place, 0o700);
        let by = || ServiceUser::Dynamic.blocked_by(&file);
        assert_eq!(by(), Some(place.clone()));
        set(&place, 0o711);
        assert_eq!(by(), Some(file.clone()));
        set(&file, 0o604);
        assert_eq!(by(), None);
    }
}
