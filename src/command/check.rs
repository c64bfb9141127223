//! Stub.
/// x
pub fn run(_f: &std::path::Path) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
