//! A disk that is full, and one that can only be read: the state file and the recordings are on it.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::program::{Program, office};

use super::{can, serves};

/// A file system of its own for one program, in a mount namespace that ends with it.
struct Disk {
    program: Program,
    /// Where it is, as the program sees it.
    path: String,
    _folder: tempfile::TempDir,
}

impl Disk {
    /// The office with state file and recordings on a disk of a few MiB that `mount` makes at `$0`.
    fn mount(mount: &str) -> Option<Disk> {
        let probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"];
        if !can(&probe) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        let path = path.to_string_lossy().into_owned();
        let text = office(|text| {
            let text = text.replace(":memory:", &format!("{path}/strowger.db"));
            format!("{text}\n[recording]\nfolder = \"{path}/recordings\"\n")
        });
        let script = format!("{mount}\nexec \"$@\"");
        let program = Program::through(text, &["unshare", "--mount", "sh", "-ec", &script, &path]);
        Some(Disk { program, path, _folder: folder })
    }

    /// What is on it, seen from outside.
    fn inside(&self, file: &str) -> PathBuf {
        let path = self.path.trim_start_matches('/');
        PathBuf::from(format!("/proc/{}/root", self.program.pid())).join(path).join(file)
    }

    /// Writes until there is no room for another octet.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.inside("fill")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// The state file as it would be if the process died now.
    fn state(&self) -> (rusqlite::Connection, tempfile::TempDir) {
        let copy = tempfile::tempdir().unwrap();
        self.program.signal("STOP");
        for name in ["strowger.db", "strowger.db-wal"] {
            std::fs::copy(self.inside(name), copy.path().join(name)).unwrap();
        }
        self.program.signal("CONT");
        (rusqlite::Connection::open(copy.path().join("strowger.db")).unwrap(), copy)
    }

    fn rows(&self, table: &str) -> i64 {
        let (connection, _copy) = self.state();
        let question = format!("SELECT count(*) FROM {table}");
        connection.query_row(&question, [], |row| row.get(0)).unwrap()
    }

    /// Begins to record 201, which is in a call; the file's name.
    fn record(&self) -> String {
        let calls = self.program.until("/api/v1/calls", |answer| {
            let rows = answer["items"].as_array().unwrap();
            rows.iter()
                .any(|row| row["line"] == "201" && row["callState"] == "LINECALLSTATE_CONNECTED")
        });
        let rows = calls["items"].as_array().unwrap();
        let row = rows.iter().find(|row| row["line"] == "201").unwrap();
        let path = format!("/api/v1/calls/{}/record", row["callId"]);
        let (status, answer) = self.program.post(&path, &json!({"line": "201"}));
        assert_eq!(status, 200, "{answer}");
        answer["file"].as_str().unwrap().to_owned()
    }

    /// The row of a recording that is over.
    fn recorded(&self, file: &str) -> Value {
        let row = |answer: &Value| {
            let rows = answer["items"].as_array().unwrap();
            rows.iter().find(|row| row["file"] == file && !row["ended"].is_null()).cloned()
        };
        row(&self.program.until("/api/v1/recordings", |answer| row(answer).is_some())).unwrap()
    }
}

/// Two settings that are to be kept.
fn set(program: &Program) {
    let dnd = json!({"enabled": true});
    for line in ["204", "205"] {
        assert_eq!(program.put(&format!("/api/v1/lines/{line}/dnd"), &dnd).0, 200);
    }
}

/// Everybody who looks is told what is wrong; nobody who calls notices.
fn is_told(program: &Program) {
    let ready = program.until("/readyz", |answer| answer["troubles"][0].is_string());
    assert_eq!(ready["status"], "ready");
    let trouble = ready["troubles"][0].as_str().unwrap();
    assert!(trouble.contains("strowger.db cannot be written"), "{trouble}");
    assert_eq!(program.get("/readyz").0, 200);
    let shown = program.command(&["status"]);
    assert!(shown.status.success());
    assert!(String::from_utf8_lossy(&shown.stdout).contains(trouble), "{shown:?}");
    program.says("changes wait, calls go on");
    program.reaches("store_failed_total", 2);
    program.reaches("store_waiting", 2);
    // Each try fails; it is said once.
    assert_eq!(program.log().matches("cannot be written").count(), 1);
}

fn is_sound(connection: &rusqlite::Connection) {
    let check: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn on_a_full_disk_calls_go_on_and_what_was_missed_is_written_when_there_is_room_again() {
    let Some(disk) = Disk::mount("mount -t tmpfs -o size=4m,mode=700 none \"$0\"") else { return };
    let program = &disk.program;
    let [a, b, c, d] = ["201", "202", "203", "204"].map(|line| program.live_phone(line));
    let (near, far) = a.talk_to(&b);
    let cut = disk.record();
    program.until("/api/v1/recordings", |answer| answer["items"] != json!([]));
    disk.fill();
    set(program);
    is_told(program);
    let row = disk.recorded(&cut);
    assert_eq!(row["state"], "failed");
    assert!(row["reason"].as_str().unwrap().contains("No space left"), "{row}");
    a.hears(&b);
    b.hears(&a);
    let e = program.live_phone("206");
    serves(&c, &e);
    drop(d);

    std::fs::remove_file(disk.inside("fill")).unwrap();
    program.until("/readyz", |answer| answer.get("troubles").is_none());
    program.says("can be written again");
    assert_eq!(program.metric("store_waiting"), 0);
    assert_eq!(program.metric("store_lost_total"), 0);
    assert_eq!(disk.rows("forwardings"), 2);
    assert_eq!(disk.rows("dialogs"), 2);
    assert_eq!(disk.rows("bindings"), 5);
    let whole = disk.record();
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
    assert_eq!(disk.recorded(&whole)["state"], "finished");
    is_sound(&disk.state().0);
}

/// A file system in a file that gives itself up as real ones do when their disk fails: from then on it
/// can only be read.
const FAILING: &str = "truncate -s 16M \"$0.image\"; mkfs.ext4 -q -E nodiscard \"$0.image\"
    mount -o loop,errors=remount-ro \"$0.image\" \"$0\"";

#[test]
fn a_disk_that_becomes_read_only_is_told_and_calls_go_on() {
    let probe = "mkfs.ext4 -V 2>&1; ls /dev/loop-control /sys/fs/ext4";
    if !can(&["sh", "-c", probe]) {
        return;
    }
    let Some(disk) = Disk::mount(FAILING) else { return };
    let program = &disk.program;
    let [a, b, c] = ["201", "202", "203"].map(|line| program.live_phone(line));
    let (near, far) = a.talk_to(&b);
    let cut = disk.record();
    let device = device_of(&disk.inside(""));
    let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
    std::fs::write(trigger, "the test's fault").unwrap();
    set(program);
    is_told(program);
    let row = disk.recorded(&cut);
    assert_eq!(row["state"], "failed");
    assert!(row["reason"].as_str().unwrap().contains("Read-only file system"), "{row}");
    a.hears(&b);
    a.hang_up(near);
    b.ended(far);
    serves(&c, &a);
}

/// The block device that a file system is on, such as `loop3`.
fn device_of(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let device = std::fs::metadata(path).unwrap().dev();
    // Minor numbers of loop devices are below 256.
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff);
    let link = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")).unwrap();
    link.file_name().unwrap().to_string_lossy().into_owned()
}

/// Makes the folder `$0` one that can only be read.
const READ_ONLY: &str = "mount --bind \"$0\" \"$0\"; mount -o remount,bind,ro \"$0\"; exec \"$@\"";

#[test]
fn on_a_read_only_disk_the_switch_does_not_start_and_says_so_in_one_sentence() {
    if !can(&["unshare", "--mount", "true"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("strowger.db").to_string_lossy().into_owned();
    let mut program = Program::with(office(|text| text.replace(":memory:", &database)));
    program.signal("INT");
    assert_eq!(program.wait_for_exit(), Some(0));
    let path = folder.path().to_string_lossy().into_owned();
    let command = ["unshare", "--mount", "sh", "-ec", READ_ONLY, &path];
    for name in ["strowger.db", "new.db"] {
        let file = format!("{path}/{name}");
        let config = office(|text| text.replace(":memory:", &file));
        let (code, said) = Program::refused_through(&config, &command);
        assert_eq!(code, Some(1), "{said}");
        let wanted = format!("The state file {file} cannot be written: its disk is read-only");
        assert!(said.starts_with(&wanted), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }
    is_sound(&rusqlite::Connection::open(folder.path().join("strowger.db")).unwrap());
}

#[test]
fn recordings_that_cannot_be_kept_are_told_at_the_start() {
    if !can(&["unshare", "--mount", "true"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    let config = office(|text| format!("{text}\n[recording]\nfolder = \"{path}/calls\"\n"));
    let program = Program::through(config, &["unshare", "--mount", "sh", "-ec", READ_ONLY, &path]);
    program.says("nothing can be recorded");
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    serves(&a, &b);
}
