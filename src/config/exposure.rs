//! What lies more open than an owner wants: files with secrets, which the user of the service has to read all the same, and trust in strangers.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Config;
use super::trust::overtrust;

/// The user that the unit of `wechatd unit` runs the service as. With `DynamicUser=` systemd makes one of this name
/// for as long as the service runs, unless the machine has it already.
pub const SERVICE_USER: &str = "wechatd";

/// Where the unit of the service stands, once it is installed.
const UNITS: [&str; 3] = [
    "/etc/systemd/system/wechatd.service",
    "/usr/lib/systemd/system/wechatd.service",
    "/lib/systemd/system/wechatd.service",
];

/// The permission bits for reading a file and for passing through a folder, as everybody has them.
const READ: u32 = 0o4;
const PASS: u32 = 0o1;

/// What the user of the service is to the machine's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceUser {
    /// systemd makes it: it owns no file, and no group has it.
    Dynamic,
    /// The owner has made it.
    Lasting {
        /// Its number.
        uid: u32,
        /// The numbers of its groups.
        gids: Vec<u32>,
    },
}

impl ServiceUser {
    /// As `/etc/passwd` and `/etc/group` tell.
    #[must_use]
    pub fn look() -> ServiceUser {
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
        ServiceUser::Lasting {
            uid,
            gids: std::iter::once(gid).chain(more).collect(),
        }
    }

    /// The first folder on the way to the file, or the file itself, that keeps this user from reading it by its mode.
    #[must_use]
    pub fn kept_out_by(&self, file: &Path) -> Option<PathBuf> {
        let file = fs::canonicalize(file).ok()?;
        let way: Vec<&Path> = file.ancestors().collect();
        let barred = way.into_iter().rev().find(|path| {
            let needed = if *path == file { READ } else { PASS };
            fs::metadata(path).is_ok_and(|metadata| !self.may(&metadata, needed))
        });
        barred.map(Path::to_owned)
    }

    fn may(&self, metadata: &Metadata, needed: u32) -> bool {
        let mode = metadata.mode();
        let mode = match self {
            ServiceUser::Lasting { uid, .. } if *uid == metadata.uid() => mode >> 6,
            ServiceUser::Lasting { gids, .. } if gids.contains(&metadata.gid()) => mode >> 3,
            ServiceUser::Lasting { .. } | ServiceUser::Dynamic => mode,
        };
        mode & needed != 0
    }

    /// What to type, so that this user may read the file and others may not.
    #[must_use]
    pub fn way_in(&self, file: &Path) -> String {
        let hand_over = hand_over(file);
        match self {
            ServiceUser::Lasting { .. } => hand_over,
            // While the service runs, its name is taken by the user that systemd has made.
            ServiceUser::Dynamic => format!(
                "`useradd --system {SERVICE_USER}` (while the service is stopped), then {hand_over}"
            ),
        }
    }
}

impl Config {
    /// A warning for each file that holds a secret and that everybody on this machine may read, and for trusted
    /// proxies that are more than proxies.
    ///
    /// A file that a group may read is no mistake: that is how a service without rights of its own gets it.
    #[must_use]
    pub fn exposures(&self) -> Vec<String> {
        let mut exposures = Vec::new();
        let service = Service::look();
        if !self.secrets.is_empty()
            && let Some(metadata) = exposed(&self.file)
        {
            let way = service.way_to_close(&self.file, Owner::of(&metadata));
            exposures.push(warning(&self.file, &self.secrets.join(", "), &way));
        }
        // systemd reads this file with root's rights and hands the service a copy.
        if let Some(file) = &self.account.app_secret_file
            && exposed(file).is_some()
        {
            let way = match service {
                Service::Nowhere => shut_for_all(file),
                Service::Here(_) => shut(file),
            };
            exposures.push(warning(file, "the AppSecret", &way));
        }
        exposures.extend(overtrust(&self.server.trusted_proxies));
        exposures
    }
}

fn exposed(file: &Path) -> Option<Metadata> {
    let metadata = fs::metadata(file).ok()?;
    (metadata.mode() & READ != 0).then_some(metadata)
}

/// Whether this machine runs, or is to run, the service.
#[derive(Debug)]
enum Service {
    /// There is no user and no unit of it: somebody tries things out.
    Nowhere,
    /// It runs as this user.
    Here(ServiceUser),
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Root's: such files are mostly for the service, which has a user of its own.
    Root,
    /// The user's who runs this process.
    Mine,
    /// Somebody else's: this process may be the service.
    Other,
}

impl Service {
    fn look() -> Service {
        let user = ServiceUser::look();
        let has_unit = UNITS.iter().any(|unit| Path::new(unit).exists());
        match user == ServiceUser::Dynamic && !has_unit {
            true => Service::Nowhere,
            false => Service::Here(user),
        }
    }

    /// What to type, so that not everybody may read the file.
    fn way_to_close(&self, file: &Path, owner: Owner) -> String {
        match (self, owner) {
            (Service::Nowhere, Owner::Mine) => shut_for_all(file),
            (Service::Nowhere, Owner::Root) => format!(
                "{}; for a service with the user {SERVICE_USER} {} instead",
                shut_for_all(file),
                hand_over(file)
            ),
            (Service::Here(_), Owner::Mine) => shut(file),
            (Service::Here(user), Owner::Root | Owner::Other) => user.way_in(file),
            (Service::Nowhere, Owner::Other) => ServiceUser::Dynamic.way_in(file),
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

fn shut_for_all(file: &Path) -> String {
    format!("`chmod 600 {}`", file.display())
}

fn hand_over(file: &Path) -> String {
    let file = file.display();
    format!("`chgrp {SERVICE_USER} {file}; chmod 640 {file}`")
}

fn shut(file: &Path) -> String {
    format!("`chmod o= {}`", file.display())
}

fn warning(file: &Path, what: &str, way: &str) -> String {
    let file = file.display();
    format!("{file} holds {what}, and everybody on this machine may read it: {way}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nwechatd:x:998:997::/nowhere:/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nwechatd:x:997:\nweb:x:33:ann,wechatd\nother:x:44:wechatd2\n";

    #[test]
    fn the_user_of_the_service_is_known_by_the_lists_of_the_machine() {
        assert_eq!(
            ServiceUser::read(PASSWD, GROUP),
            ServiceUser::Lasting {
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
        let says = |service: &Service, owner| service.way_to_close(file, owner);
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
        // The unit is installed and systemd makes its user, or this process is that user.
        let with_unit = Service::Here(ServiceUser::Dynamic);
        assert!(says(&with_unit, Owner::Root).contains("useradd"));
        assert!(says(&on_a_laptop, Owner::Other).contains("useradd"));
    }

    #[test]
    fn owner_group_and_others_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("wechat.conf");
        fs::write(&file, "").expect("written");
        let own = fs::metadata(&file).expect("there");
        let user = |uid, gids: &[u32]| ServiceUser::Lasting {
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
        let by = || ServiceUser::Dynamic.kept_out_by(&file);
        assert_eq!(by(), Some(place.clone()));
        set(&place, 0o711);
        assert_eq!(by(), Some(file.clone()));
        set(&file, 0o604);
        assert_eq!(by(), None);
    }
}
