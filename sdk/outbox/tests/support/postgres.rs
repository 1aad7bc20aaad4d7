//! A Postgres server of its own for a test: Debian's binaries, a new folder, a free port of
//! the loopback interface.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A running server. It ends when this is dropped.
pub(crate) struct PostgresServer {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl PostgresServer {
    /// Starts a server. `.ci/postgres` installs the binaries if they are missing.
    pub(crate) fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("outbox-postgres-{}", fastrand::u64(..)));
        fs::create_dir(&folder).unwrap();
        // The server runs as another user if this process is root.
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let server = Self {
            binaries: binaries(),
            folder,
            port: free_port(),
        };
        let data = server.data();
        let data = data.to_str().unwrap();
        let initialised = server.call(
            "initdb",
            &["-D", data, "-U", "outbox", "--auth=trust", "-N"],
        );
        assert!(initialised.status.success(), "initdb: {initialised:?}");
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={} \
             -c fsync=off -c max_connections=200",
            server.port,
            server.folder.display()
        );
        let log = server.folder.join("log");
        let started = server.call(
            "pg_ctl",
            &[
                "-D",
                data,
                "-w",
                "-l",
                log.to_str().unwrap(),
                "-o",
                &options,
                "start",
            ],
        );
        let log = fs::read_to_string(log).unwrap_or_default();
        assert!(started.status.success(), "pg_ctl start: {started:?}\n{log}");
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://outbox@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Calls one of the server's programs. They refuse to run as root.
    fn call(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.binaries.join(program);
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        let mut command = if is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // pg_ctl passes its standard streams to the server, which would keep them open.
        let output = self.folder.join("output");
        let file = fs::File::create(&output).unwrap();
        let status = command
            .args(arguments)
            .current_dir(&self.folder)
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .status()
            .unwrap();
        Output {
            status,
            stdout: fs::read(output).unwrap(),
            stderr: Vec::new(),
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let data = self.data();
        self.call(
            "pg_ctl",
            &["-D", data.to_str().unwrap(), "-m", "immediate", "stop"],
        );
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The newest installed version.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<u32> = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let version = versions
        .last()
        .expect("Postgres is not installed: run .ci/postgres");
    Path::new("/usr/lib/postgresql")
        .join(version.to_string())
        .join("bin")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
