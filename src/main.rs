//! The `nuncio` command. See `man/nuncio.8`.

fn main() -> std::process::ExitCode {
    nuncio::cli::main()
}
