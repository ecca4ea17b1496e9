//! Where things lie: the sources, what cargo built, and what we put beside it.

use std::{
    env, io,
    path::{Path, PathBuf},
};

/// The folders of this checkout.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    binaries: PathBuf,
}

impl Workspace {
    /// Finds the folders from the running executable, an xtask or a test, so that whatever target folder
    /// and profile cargo was told to use, the services are looked for in the same.
    ///
    /// # Errors
    /// When the executable's own path can't be had.
    pub fn locate() -> io::Result<Self> {
        let executable = env::current_exe()?;
        let folder = executable.parent().unwrap_or(Path::new("/"));
        // Tests lie one folder deeper than programs.
        let binaries = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest);
        Ok(Self { root: root.to_owned(), binaries: binaries.to_owned() })
    }

    /// The folder of the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program of this workspace, whether it is built or not.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// Tools that we install for ourselves.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    /// Record, logs and Temporal's database of the stack that `up` and `demo` start.
    #[must_use]
    pub fn stack(&self) -> PathBuf {
        self.target().join("stack")
    }

    fn target(&self) -> &Path {
        self.binaries.parent().unwrap_or(&self.binaries)
    }
}
