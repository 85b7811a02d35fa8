"""Includes point down the layers, the folders form no circle, and nothing above knows who implements the backend."""

import cpp_source
from tree import CPP, Finding

# A folder may include its own layer and those below it.
LAYERS = (
    ('numerics', 'memory'),
    ('backend',),
    ('formats', 'quant', 'ops'),
    ('sampling', 'kv', 'model'),
    ('text', 'scheduler', 'speculation'),
    ('engine',),
    ('abi',),
)
RANK = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}
# Implementations of the backend: each may include these and nothing else, and nothing includes it.
IMPLEMENTATIONS = {'cpu': {'backend', 'ops', 'quant', 'memory', 'numerics'}, 'plugin': {'backend', 'ops', 'memory'}}
# Folders outside src/ that are built on its lower layers, what each may include of it, and the one header by which a host
# may use it.
LIBRARY_TOOLS = {'tools/synth': {'numerics', 'backend', 'formats', 'quant'}, 'tools/ceilings': {'cpu', 'memory'}}
HOST_HEADERS = {'llmrt.h', 'llmrt.hpp', 'synth/synth.h', 'ceilings/ceilings.h'}


def _edges(tree):
    """(file, line, its folder, the included path, the folder of that) of every include inside src/."""
    for path in tree.code('src', kinds=CPP):
        source = path.split('/')[1]
        for line, included in cpp_source.includes(tree.text(path)):
            yield path, line, source, included, included.split('/')[0] if '/' in included else ''


def _problem(source, target, included):
    if included == 'llmrt.h':
        return None if source == 'abi' else 'the C interface is for src/abi alone'
    if target == source:
        return None
    if target in IMPLEMENTATIONS:
        return f'nothing knows the name of the {target} backend but itself'
    if source in IMPLEMENTATIONS:
        if target in RANK and target not in IMPLEMENTATIONS[source]:
            return f'{source} implements the backend and may include {sorted(IMPLEMENTATIONS[source])} only'
        return None
    if target in RANK and source in RANK and RANK[target] > RANK[source]:
        return f'{source} lies below {target}'
    return None


def check_includes(tree):
    for path, line, source, target_path, target in _edges(tree):
        if source not in RANK and source not in IMPLEMENTATIONS:
            yield Finding('layers', path, line, f'src/{source} has no place among the layers of {__name__}.py')
            continue
        if target_path.startswith('.') or (not target and target_path != 'llmrt.h'):
            yield Finding('layers', path, line, f'"{target_path}": write paths from src/')
            continue
        problem = _problem(source, target, target_path)
        if problem:
            yield Finding('layers', path, line, f'includes "{target_path}", but {problem}')


def check_hosts(tree):
    """The command line and the samples are hosts: of the library they see the public headers."""
    for path in tree.code('tools/cli', 'samples', kinds=CPP):
        for line, included in cpp_source.includes(tree.text(path)):
            folder = path.rsplit('/', 1)[0]
            if included not in HOST_HEADERS and not tree.exists(f'{folder}/{included}'):
                yield Finding('hosts', path, line, f'includes "{included}"; a host has {sorted(HOST_HEADERS)} only')


def check_library_tools(tree):
    """Tools that write what the library reads share its lower layers, and nothing above them."""
    for folder, allowed in LIBRARY_TOOLS.items():
        own = folder.split('/')[1]
        for path in tree.code(folder, kinds=CPP):
            for line, included in cpp_source.includes(tree.text(path)):
                top = included.split('/')[0]
                if '/' not in included or top not in allowed | {own, 'absl'}:
                    yield Finding('layers', path, line, f'includes "{included}"; {folder} may include {sorted(allowed)} only')


def _find_circle(graph):
    """A list of nodes that leads back to its first, or None. Depth first; grey nodes are on the current path."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for following in sorted(graph.get(node, ())):
            circle = visit(following)
            if circle:
                return circle
        done.add(path.pop())
        return None

    for node in sorted(graph):
        circle = visit(node)
        if circle:
            return circle
    return None


def check_circles(tree):
    """Folders of one layer may include each other, but only one way; files never in a circle."""
    folders, files = {}, {}
    for path, _, source, included, target in _edges(tree):
        if tree.exists(f'src/{included}'):
            files.setdefault(path, set()).add(f'src/{included}')
            if target != source:
                folders.setdefault(source, set()).add(target)
    for graph, kind in ((folders, 'folders'), (files, 'files')):
        circle = _find_circle(graph)
        if circle:
            where = circle[0] if kind == 'files' else f'src/{circle[0]}'
            yield Finding('circle', where, 1, f'{kind} include each other: {" -> ".join(circle)}')
