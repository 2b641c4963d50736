//! The command line.

/// A library must not choose an allocator for others, so it is set here; `benches/common` sets the same.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    etl::cli::main()
}
