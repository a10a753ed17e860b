//! `make demo` does what its page promises: the demonstration runs without a screen and checks itself.

use anyhow::Result;
use minewatch_tests::process::{repository, run};
use std::process::Command;

#[test]
fn the_demonstration_reaches_red_and_loses_nothing_over_a_half_open_link() -> Result<()> {
    let demo = repository().join("deploy/demo/demo.py");
    let printed = run(Command::new("python3").arg("-B").arg(demo).args([
        "--headless",
        "--assert",
        "--no-build",
        "--free-ports",
        "--seconds",
        "150",
    ]))?;
    println!("{printed}");
    assert!(printed.contains("every check passed"), "{printed}");
    Ok(())
}
