"""What CMake refuses or leaves out: options whose parts do not exist, and a ccache that has nowhere to write."""

import os
import unittest

from script_case import ROOT, ScriptTest

CMAKE = os.environ['LLMRT_CMAKE']


class OptionsTest(ScriptTest):

    def test_options_of_parts_that_do_not_exist_are_refused(self):
        for option, part in (('LLMRT_CUDA', 'cuda'), ('LLMRT_BINDINGS', 'bindings')):
            if (ROOT / part / 'CMakeLists.txt').exists():
                continue
            result = self.run_script(CMAKE, '-S', str(ROOT), '-B', str(self.folder / part), f'-D{option}=ON')
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(f'{option}=ON, but {part}/ is not built yet', ' '.join(result.stderr.split()))


class CcacheTest(ScriptTest):

    def launcher(self, **environment):
        script = self.folder / 'launcher.cmake'
        script.write_text(f'include("{ROOT}/cmake/Ccache.cmake")\nmessage("<${{CMAKE_CXX_COMPILER_LAUNCHER}}>")\n',
                          encoding='utf-8')
        result = self.run_script(CMAKE, '-P', str(script), environment=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stderr

    def test_a_cache_that_can_be_written_is_used(self):
        self.stand_in('ccache', f'echo "{self.folder}/cache/ccache"')
        self.assertIn('programs/ccache>', self.launcher())
        self.assertTrue((self.folder / 'cache/ccache').is_dir())

    def test_a_cache_that_cannot_be_written_is_not_used(self):
        self.stand_in('ccache', 'echo "$HOME/.cache/ccache"')
        self.assertIn('<>', self.launcher(HOME='/dev/null'))

    def test_a_ccache_that_finds_no_home_is_not_used(self):
        self.stand_in('ccache', 'echo "no home folder" >&2; exit 1')
        self.assertIn('<>', self.launcher())


if __name__ == '__main__':
    unittest.main(verbosity=2)
