//! The README's transcripts are what the program prints, and its pictures what it draws.

use std::process::Command;

/// `TRYCMD=overwrite` rewrites the transcripts.
#[test]
fn the_transcripts_of_the_readme_are_real() {
    trycmd::TestCases::new().case("README.md");
}

#[test]
fn the_scenario_of_the_readme_can_be_read() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("the README shows a scenario");
    let (scenario, _) = rest.split_once("```").expect("its end is marked");
    let loaded = rollout_sim::scenario::load::load(scenario, "readme", &[]).expect("it is right");
    assert_eq!(loaded.warnings, [], "and nothing about it is odd");
}

/// `UPDATE_GOLDEN=1` rewrites the pictures.
#[test]
fn the_pictures_of_the_readme_are_real() {
    let pictures = [
        ("scenarios/article/1-original.svg", &["scenarios/article/1-original.toml"][..]),
        (
            "scenarios/article/all.svg",
            &[
                "scenarios/article/1-original.toml",
                "scenarios/article/2-pod-tuning.toml",
                "scenarios/article/3-ninety-nine.toml",
                "scenarios/article/4-fixed.toml",
            ],
        ),
    ];
    for (picture, scenarios) in pictures {
        let drawn = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.svg");
        let status = Command::new(env!("CARGO_BIN_EXE_sim"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["plot", "--quiet", "--output"])
            .arg(&drawn)
            .args(scenarios)
            .status()
            .expect("sim starts");
        assert!(status.success(), "{picture}");
        let drawn = std::fs::read(drawn).expect("it was drawn");
        let kept = format!("{}/{picture}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&kept, &drawn).expect("the picture can be written");
        }
        assert!(std::fs::read(&kept).is_ok_and(|kept| kept == drawn), "{picture} is not what `sim plot` draws");
    }
}
