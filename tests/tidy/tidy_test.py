"""Small trees that break one rule each must be flagged, and the ones beside them that do not must pass."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import check_tree
import cpp_source
import layer_rules
from tree import Tree


def findings_of(files):
    """The (rule, where) of every finding in a tree of these files, after exemptions."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            target = pathlib.Path(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding='utf-8')
        tree = Tree(root)
        with contextlib.redirect_stdout(io.StringIO()):
            return [(f.rule, f.where) for f in check_tree.apply_exemptions(tree, check_tree.find(tree))]


def function_of(lines, name='F'):
    """A function of so many lines."""
    return f'void {name}() {{\n' + '  Go();\n' * (lines - 2) + '}\n'


def source(text, path='src/kv/block_pool.cc'):
    """A source with its test beside it, so that only `text` can be at fault."""
    return {path: text, path.replace('src/', 'tests/').replace('.cc', '_test.cc'): '\n'}


class ParserTest(unittest.TestCase):

    def names(self, text):
        return [(f.name, f.lines, f.parameters) for f in cpp_source.functions(text)]

    def test_braces_in_comments_strings_and_characters_do_not_count(self):
        text = 'int F() {  // {\n  return "}{"[0] + \'{\' + R"x(}")x"[0]; /* } */\n}\nint G() { return 1\'000; }\n'
        self.assertEqual(self.names(text), [('F', 3, 0), ('G', 1, 0)])

    def test_constructor_lists_and_default_arguments_are_no_bodies(self):
        text = 'class A {\n  A(int a, B b = {}) : a_{a}, b_(b) {\n  }\n  std::atomic<int> a_{0};\n};\n'
        self.assertEqual(self.names(text), [('A', 2, 2)])

    def test_template_commas_separate_no_parameters(self):
        text = 'std::function<void(int, int)> F(const std::map<int, int>& a, int (*f)(int, int)) { return {}; }\n'
        self.assertEqual(self.names(text), [('F', 1, 2)])

    def test_lambdas_belong_to_the_function_around_them(self):
        text = 'void F() {\n  auto g = [](int a, int b) {\n    return a;\n  };\n}\nauto h = [](int a) { return a; };\n'
        self.assertEqual(self.names(text), [('F', 5, 0)])

    def test_both_branches_of_a_condition_may_open_the_same_block(self):
        text = 'void F() {\n#if A\n  if (a) {\n#else\n  if (b) {\n#endif\n  }\n}\nvoid G() {\n}\n'
        self.assertEqual(self.names(text), [('F', 8, 0), ('G', 2, 0)])

    def test_declarations_and_operators_are_found(self):
        text = 'extern "C" {\nint f(void);\n}\nstruct S {\n  bool operator==(const S& o) const { return true; }\n' \
               '  virtual int Run(int a, int b) const = 0;\n};\nconst int kA[] = {F(1), F(2)};\n'
        self.assertEqual([(n, p) for n, _, p in self.names(text)], [('f', 0), ('operator__', 1), ('Run', 2)])

    def test_attributes_and_struct_results_hide_no_function(self):
        text = '__attribute__((target("avx2"))) int F(int a) {\n}\nstruct S* G(int a) {\n}\n'
        self.assertEqual(self.names(text), [('F', 2, 1), ('G', 2, 1)])

    def test_included_paths_leave_out_comments(self):
        self.assertEqual(cpp_source.includes('#include "a/b.h"\n// #include "c/d.h"\n#include <e>\n'), [(1, 'a/b.h')])


class ShapeTest(unittest.TestCase):

    def test_files_have_at_most_800_lines(self):
        self.assertEqual(findings_of(source('int a;\n' * 800)), [])
        self.assertEqual(findings_of(source('int a;\n' * 801)), [('file-size', 'src/kv/block_pool.cc')])

    def test_the_root_build_file_has_at_most_250_lines(self):
        self.assertEqual(findings_of({'CMakeLists.txt': '\n' * 250}), [])
        self.assertEqual(findings_of({'CMakeLists.txt': '\n' * 251}), [('file-size', 'CMakeLists.txt')])

    def test_functions_have_at_most_70_lines_and_kernels_120(self):
        self.assertEqual(findings_of(source(function_of(70))), [])
        self.assertEqual(findings_of(source(function_of(71))), [('function-size', 'src/kv/block_pool.cc:F')])
        self.assertEqual(findings_of(source(function_of(120), 'src/cpu/a.cc')), [])
        self.assertEqual(findings_of(source(function_of(121), 'src/cpu/a.cc')), [('function-size', 'src/cpu/a.cc:F')])
        python = 'def f():\n' + '  pass\n' * 70
        self.assertEqual(findings_of({'tools/a.py': python}), [('function-size', 'tools/a.py:f')])

    def test_functions_have_at_most_six_parameters(self):
        self.assertEqual(findings_of(source('int F(int a, int b, int c, int d, int e, int f);\n')), [])
        self.assertEqual(findings_of(source('int F(int a, int b, int c, int d, int e, int f, int g);\n')),
                         [('parameters', 'src/kv/block_pool.cc:F')])

    def test_names_say_something_in_snake_case(self):
        for path in ('src/utils/a.h', 'src/kv/kv_helpers.h', 'src/kv/common.h', 'tools/misc.py'):
            self.assertIn(('name', path), findings_of({path: ''}))
        self.assertEqual(findings_of({'src/kv/BlockPool.h': ''}), [('name', 'src/kv/BlockPool.h')])
        self.assertEqual(findings_of({'src/kv/block_pool.h': '', 'cmake/LlmrtTargets.cmake': ''}), [])

    def test_every_source_has_its_test(self):
        self.assertEqual(findings_of({'src/kv/a.cc': ''}), [('mirror', 'src/kv/a.cc')])
        self.assertEqual(findings_of({'src/abi/a.cc': '', 'tests/abi/a_test.c': ''}), [])
        self.assertEqual(findings_of({'src/cpu/a_avx2.cc': '', 'tests/cpu/a_test.cc': ''}), [])


class LayerTest(unittest.TestCase):

    def test_includes_point_down(self):
        self.assertEqual(findings_of(source('#include "backend/backend.h"\n')), [])
        self.assertEqual(findings_of(source('#include "engine/engine.h"\n')), [('layers', 'src/kv/block_pool.cc')])

    def test_only_the_abi_includes_the_c_interface(self):
        self.assertEqual(findings_of(source('#include "llmrt.h"\n')), [('layers', 'src/kv/block_pool.cc')])
        self.assertEqual(findings_of(source('#include "llmrt.h"\n', 'src/abi/status.cc')), [])

    def test_nothing_includes_an_implementation_of_the_backend(self):
        self.assertEqual(findings_of(source('#include "cpu/pool.h"\n')), [('layers', 'src/kv/block_pool.cc')])
        self.assertEqual(findings_of(source('#include "backend/backend.h"\n', 'src/cpu/pool.cc')), [])
        self.assertEqual(findings_of(source('#include "kv/pool.h"\n', 'src/cpu/pool.cc')), [('layers', 'src/cpu/pool.cc')])

    def test_paths_are_written_from_the_root_of_src(self):
        self.assertEqual(findings_of(source('#include "block_pool.h"\n')), [('layers', 'src/kv/block_pool.cc')])
        self.assertEqual(findings_of(source('#include "../kv/pool.h"\n')), [('layers', 'src/kv/block_pool.cc')])

    def test_a_folder_outside_the_layers_is_named(self):
        self.assertEqual(findings_of({'src/extras/a.h': '#include "kv/a.h"\n'}), [('layers', 'src/extras/a.h')])

    def test_folders_of_one_layer_may_include_each_other_one_way(self):
        one_way = {'src/ops/a.h': '#include "quant/b.h"\n', 'src/quant/b.h': ''}
        self.assertEqual(findings_of(one_way), [])
        both = {**one_way, 'src/quant/c.h': '#include "ops/d.h"\n', 'src/ops/d.h': ''}
        self.assertEqual(findings_of(both), [('circle', 'src/ops')])

    def test_hosts_see_the_public_headers_only(self):
        good = {'tools/cli/a.cc': '#include "a.h"\n#include "llmrt.h"\n', 'tools/cli/a.h': '#pragma once\n'}
        self.assertEqual(findings_of(good), [])
        bad = {'samples/a.cc': '#include "text/utf8.h"\n'}
        self.assertEqual(findings_of(bad), [('hosts', 'samples/a.cc')])

    def test_tools_on_the_library_stay_in_its_lower_layers(self):
        good = {'tools/synth/a.cc': '#include "synth/a.h"\n#include "formats/b.h"\n#include "absl/c.h"\n#include <d>\n',
                'tools/cli/e.cc': '#include "synth/synth.h"\n'}
        self.assertEqual(findings_of(good), [])
        for included in ('engine/engine.h', 'cpu/a.h', 'a.h'):
            self.assertEqual(findings_of({'tools/synth/a.cc': f'#include "{included}"\n'}),
                             [('layers', 'tools/synth/a.cc')], included)
        self.assertEqual(findings_of({'tools/cli/a.cc': '#include "synth/shapes.h"\n'}), [('hosts', 'tools/cli/a.cc')])

    def test_files_in_a_circle_are_found(self):
        files = {'src/kv/a.h': '#include "kv/b.h"\n', 'src/kv/b.h': '#include "kv/c.h"\n', 'src/kv/c.h': '#include "kv/a.h"\n'}
        self.assertEqual(findings_of(files), [('circle', 'src/kv/a.h')])

    def test_every_layer_is_listed_once(self):
        self.assertEqual(len(layer_rules.RANK), sum(map(len, layer_rules.LAYERS)))


class ContentTest(unittest.TestCase):

    def test_calls_that_hurt_the_host_are_banned(self):
        for call in ('abort();', 'std::exit(1);', 'printf("x");', 'std::fprintf(f, "x");', 'std::cout << 1;',
                     'std::cerr << 1;', 'signal(SIGPIPE, f);', 'assert(a);', 'std::regex r;', 'CHECK(a);', 'CHECK_EQ(a, b);',
                     'DCHECK(a);', 'throw 1;', 'absl::Mutex m;', 'absl::ErrnoToStatus(e, m);',
                     'std::terminate();'):
            self.assertEqual(findings_of(source(f'void F() {{ {call} }}\n')), [('banned', 'src/kv/block_pool.cc')], call)
        self.assertEqual(findings_of(source('#include <iostream>\n')), [('banned', 'src/kv/block_pool.cc')])

    def test_names_that_merely_look_like_them_pass(self):
        for call in ('snprintf(b, n, "abort()");', 'static_assert(a);', 'stream.abort();', 'condition.signal();',
                     'MyCHECK(a);', 'throw;', 'on_exit_(1);', 'Rethrow(); // throw'):
            self.assertEqual(findings_of(source(f'void F() {{ {call} }}\n')), [], call)

    def test_tools_and_tests_may_print(self):
        self.assertEqual(findings_of({'tools/cli/a.cc': 'void F() { printf("x"); exit(1); }\n'}), [])

    def test_headers_of_one_instruction_set_inline_by_force(self):
        forced = '#define LLMRT_WIDE_INLINE static inline __attribute__((always_inline))\n'
        path = 'src/cpu/rows_avx2.h'
        for text in ('constexpr int F(int a) {\n  return a;\n}\n', 'inline int F() { return 1; }\n',
                     'template <int a>\nint F() { return a; }\n', 'struct A {\n  static int F() { return 1; }\n};\n'):
            self.assertEqual(findings_of({path: forced + text}), [('inlined', f'{path}:F')], text)
            self.assertEqual(findings_of({path: text}), [], 'a header for everybody')
        for text in ('LLMRT_WIDE_INLINE int F(int a) { return a; }\n', 'static int F() { return 1; }\n', 'int F();\n',
                     'template <int a>\nLLMRT_WIDE_INLINE constexpr int F() { return a; }\n',
                     'struct A {\n  static inline __attribute__((always_inline)) int F() { return 1; }\n};\n',
                     'LLMRT_WIDE_INLINE VeryLongType\nF() { return 1; }\n'):
            self.assertEqual(findings_of({path: forced + text}), [], text)

    def test_paths_of_one_machine_are_found(self):
        for path in ('wo' 'rk/main', 'ro' 'ot/x', 'ho' 'me/me'):
            self.assertEqual(findings_of({'docs/a.md': f'see /{path}\n'}), [('machine-path', 'docs/a.md')], path)
        self.assertEqual(findings_of({'docs/a.md': 'frame' 'wo' 'rk/main and ~/' 'wo' 'rk/x\n'}), [])


class HeaderTest(unittest.TestCase):
    FIELDS = 'Ownership: a. Thread safety: b. Errors: c. Since: 1.'

    def header(self, text):
        return findings_of({'include/llmrt.h': text})

    def test_a_function_with_all_fields_passes(self):
        self.assertEqual(self.header(f'/* Makes it. {self.FIELDS} */\nint llmrt_x_create(void);\n'), [])

    def test_a_missing_field_is_found(self):
        text = '/* Makes it. Ownership: a. Thread safety: b. Errors: c. */\nint llmrt_x_create(void);\n'
        self.assertEqual(self.header(text), [('header', 'include/llmrt.h:llmrt_x_create')])

    def test_a_groups_heading_gives_fields_and_the_function_keeps_a_comment(self):
        heading = f'/*\n * Group. {self.FIELDS}\n */\n\n'
        self.assertEqual(self.header(heading + '/* Makes it. */\nint llmrt_x_create(void);\n'), [])
        self.assertEqual(self.header(heading + 'int llmrt_x_create(void);\n'), [('header', 'include/llmrt.h:llmrt_x_create')])

    def test_functions_that_differ_in_their_last_word_share_a_comment(self):
        heading = f'/*\n * Group. {self.FIELDS}\n */\n\n'
        pair = '/* Gets it. */\nint llmrt_get_i64(int a,\n    int b);\nint llmrt_get_f64(int a);\n'
        self.assertEqual(self.header(heading + pair), [])
        self.assertEqual(self.header(heading + pair + 'int llmrt_x_release(void);\n'),
                         [('header', 'include/llmrt.h:llmrt_x_release')])


class ExemptionTest(unittest.TestCase):
    LONG = source('int a;\n' * 801)

    def test_an_exempted_finding_is_silent(self):
        self.assertEqual(findings_of({**self.LONG, check_tree.EXEMPTIONS: 'file-size src/kv/block_pool.cc one table\n'}), [])

    def test_an_exemption_needs_a_reason(self):
        self.assertIn(('exemptions', check_tree.EXEMPTIONS),
                      findings_of({**self.LONG, check_tree.EXEMPTIONS: 'file-size src/kv/block_pool.cc\n'}))

    def test_an_exemption_that_excuses_nothing_is_found(self):
        self.assertEqual(findings_of({check_tree.EXEMPTIONS: 'file-size src/kv/a.cc one table\n'}),
                         [('exemptions', check_tree.EXEMPTIONS)])


if __name__ == '__main__':
    unittest.main()
