"""tools/fetch_abseil.sh and tools/install_dependencies.sh without a home folder, without root, without a network."""

import unittest

from script_case import ROOT, ScriptTest


class FetchAbseilTest(ScriptTest):

    def setUp(self):
        super().setUp()
        # Says where it was told to put its lists, and downloads nothing.
        self.stand_in('apt-get', f'printf "%s\\n" "$@" >>"{self.folder}/apt"; exit 1')

    def fetch(self, *arguments, **environment):
        return self.run_script(str(ROOT / 'tools/fetch_abseil.sh'), *arguments, environment=environment)

    def have_sources_in(self, folder):
        sources = self.folder / folder / 'abseil-20220623.1-std'
        sources.mkdir(parents=True)
        (sources / 'CMakeLists.txt').touch()
        return str(sources)

    def test_sources_in_the_home_folder_are_found(self):
        sources = self.have_sources_in('.cache/llmrt')
        result = self.fetch(str(self.folder / 'build'), HOME=str(self.folder))
        self.assertEqual((result.returncode, result.stdout), (0, f'{sources}\n'), result.stderr)
        self.assertFalse((self.folder / 'build').exists())

    def test_without_a_home_folder_the_sources_lie_in_the_build_folder(self):
        sources = self.have_sources_in('build')
        for environment in ({}, {'HOME': '/dev/null'}, {'XDG_CACHE_HOME': '/dev/null'}):
            result = self.fetch(str(self.folder / 'build'), **environment)
            self.assertEqual((result.returncode, result.stdout), (0, f'{sources}\n'), result.stderr)

    def test_without_a_home_folder_the_build_folder_gets_the_download(self):
        result = self.fetch(str(self.folder / 'build'), HOME='/dev/null')
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(f'Dir::Cache={self.folder}/build/fetch.', (self.folder / 'apt').read_text(encoding='utf-8'))

    def test_no_folder_at_all_names_the_variable_that_helps(self):
        for arguments, environment in (((), {}), ((), {'HOME': '/dev/null'}), (('/dev/null/build',), {}),
                                       ((str(self.folder / 'build'),), {'LLMRT_CACHE': '/dev/null/cache'})):
            result = self.fetch(*arguments, **environment)
            self.assertEqual((result.returncode, result.stdout), (1, ''))
            self.assertEqual(result.stderr.count('\n'), 1, result.stderr)
            self.assertIn('set LLMRT_CACHE', result.stderr)
        self.assertFalse((self.folder / 'apt').exists())


class InstallTest(ScriptTest):

    def setUp(self):
        super().setUp()
        self.script = self.copy('tools/install_dependencies.sh')
        self.real('bash', 'env', 'grep')
        self.stand_in('apt-get', 'echo "$*" >&2')

    def install(self, *lacking, sudo=False):
        """Runs where all packages but `lacking` are installed, as a user who is not root."""
        known = '|'.join(('none', *lacking))
        self.stand_in('dpkg-query', 'for package in "${@:3}"; do case $package in '
                      f'{known}) ;; *) echo "installed $package" ;; esac; done')
        if sudo:
            self.stand_in('sudo', 'exec "$@"')
        return self.run_script(self.script, 'tests', only_stand_ins=True, **self.unprivileged())

    def test_everything_there_is_silence(self):
        result = self.install()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, '', ''))

    def test_without_root_optional_packages_are_done_without(self):
        result = self.install('ccache', 'clang-format', 'libbenchmark-dev')
        self.assertEqual((result.returncode, result.stdout), (0, ''))
        self.assertRegex(result.stderr, r'going on without ccache libbenchmark-dev clang-format\n$')

    def test_without_root_required_packages_are_named(self):
        result = self.install('ccache', 'cmake', 'googletest')
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r'apt-get install cmake googletest\n$')

    def test_sudo_installs_required_packages_before_optional_ones(self):
        result = self.install('ccache', 'cmake', sudo=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        calls = [line.split()[-1] for line in result.stderr.splitlines()]
        self.assertEqual(calls, ['update', 'cmake', 'ccache'])

    def test_an_optional_package_that_cannot_be_had_does_not_matter(self):
        self.stand_in('apt-get', 'case $* in *ccache*) exit 100 ;; esac')
        self.assertEqual(self.install('ccache', 'cmake', sudo=True).returncode, 0)
        self.stand_in('apt-get', 'case $* in *cmake*) exit 100 ;; esac')
        result = self.install('ccache', 'cmake', sudo=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn('could not install cmake, which building needs', result.stderr)


if __name__ == '__main__':
    unittest.main(verbosity=2)
