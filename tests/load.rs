//! The load script does its work: a few calls of its parts, so that it is there when somebody wants figures.

use std::path::Path;
use std::process::Command;

#[test]
fn a_few_calls_of_the_load_script_give_every_figure() {
    let vaxel = Path::new(env!("CARGO_BIN_EXE_vaxel"));
    // `cargo test` builds it.
    let bare = vaxel.with_file_name("examples").join("bare");
    assert!(bare.exists(), "cargo build --example bare");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/load/run");
    let mut command = Command::new("timeout");
    command.arg("300").arg(script).args(["--quick", "sip", "calls", "free", "overload"]);
    let output = command.env("VAXEL", vaxel).env("BARE", &bare).output().expect("timeout is there");
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{all}");
    for figure in [
        "sip: calls/s without a failure",
        "sip: CPU ms per call, at 20 calls/s",
        "calls: CPU ms per call, at 20 calls/s",
        "agent free → INVITE, p50 ms, 3 waiting",
        "agent free → INVITE, p99 ms, 3 waiting",
        "overload: calls completed at 40 calls/s, % of 20",
        "overload: ms until a refused caller has 503, longest",
    ] {
        assert!(said.contains(figure), "no {figure}:\n{all}");
    }
    // They may be two at a time, and there were eight.
    assert!(said.contains(" refused (0 before the engine)") && !said.contains(" 0 refused"), "{all}");
    assert!(said.contains("overload: let in and failed                                      0"), "{all}");
}
