"""Who may import whom: no import of the library runs back up, and none goes round in a circle."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import after_ser

SOURCE = Path(after_ser.__file__).parent

#: From the ground up. A module may import its own package and whatever stands on an earlier line,
#: never its neighbours or what comes later. A module named here stands apart from its package.
LAYERS = (
    "core",
    "run",
    # the method, in the order in which data flows
    "data.corpora data.audio",
    "data.datasets model",
    "learn.adam learn.losses learn.stopping",
    "learn.training",
    "learn.tapt learn.finetune",
    "select",
    # what a configuration and a plan know of the studies, which is light
    "studies.baselines.base studies.baselines.config studies.baselines.registry",
    "studies.fewshot.config studies.fewshot.grid studies.inside.config",
    "studies.robustness.registry",
    "judge",
    "config",
    "studies",
    # what tables and figures are made of, those of the studies too
    "judge.read judge.sources",
    # nobody imports the tools, and they do not import one another
    "tools",
    "tools.plan",
    "__main__",
)
#: Their packages are strangers to one another, as those of the method are.
SHELVES = ("data", "learn", "studies", "tools")


def imports(root):
    """Return {module: what it imports of the package}, wherever in the file the import stands."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {}
    for module, path in modules.items():
        graph[module] = targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import; expected the whole name"
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= {name if name in modules else node.module for name in names}
        targets &= set(modules)
    return graph


def place(module):
    """Return (layer, package) of a module, e.g. (4, "model") of after_ser.model.load."""
    names = module.split(".")[1:]
    package = ".".join(names[:2]) if names[0] in SHELVES else names[0]
    for length in range(len(names), 0, -1):
        name = ".".join(names[:length])
        for layer, line in enumerate(LAYERS):
            if name in line.split():
                return layer, package
    if module in {f"after_ser.{name}" for name in SHELVES}:
        return 0, package
    raise AssertionError(f"{module} stands in no layer; expected its package in LAYERS")


def check(graph):
    """Raise AssertionError for the first import that runs against the layers, or in a circle."""
    root = min(graph)
    for module, targets in graph.items():
        for target in sorted(targets - {root}):
            (high, package), (low, other) = place(module), place(target)
            inside = package == other and high >= low
            assert inside or high > low, f"{module} imports {target}, which stands no lower"
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(f"imports in a circle: {' -> '.join(error.args[1])}") from None


def test_no_import_runs_back_up_or_in_a_circle():
    graph = imports(SOURCE)
    assert len(graph) > 200
    check(graph)


@pytest.mark.parametrize(
    ("files", "wrong"),
    [
        ({"model/load.py": "import after_ser.judge.grid"}, "after_ser.judge.grid"),
        (
            {"model/load.py": "def f():\n    from after_ser.judge import grid"},
            "after_ser.judge.grid",
        ),
        (
            {"judge/a.py": "if TYPE_CHECKING:\n    import after_ser.studies.fewshot.adapt"},
            "after_ser.studies.fewshot.adapt",
        ),
        (
            {"studies/fewshot/grid.py": "import after_ser.studies.fewshot.adapt"},
            "after_ser.studies.fewshot.adapt",
        ),
        (
            {"studies/ptapt/a.py": "import after_ser.studies.fewshot.adapt"},
            "after_ser.studies.fewshot.adapt",
        ),
        (
            {
                "learn/tapt/a.py": "import after_ser.learn.tapt.b",
                "learn/tapt/b.py": "import after_ser.learn.tapt.a",
            },
            "circle",
        ),
        ({"new/a.py": "import after_ser.core.errors"}, "after_ser.new.a stands in no layer"),
    ],
)
def test_an_import_the_wrong_way_is_named(tmp_path, files, wrong):
    others = ("judge/grid.py", "studies/fewshot/adapt.py", "core/errors.py", "__init__.py")
    root = tmp_path / "after_ser"
    for name in (*others, *files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(files.get(name, ""), encoding="utf-8")
    with pytest.raises(AssertionError, match=wrong):
        check(imports(root))
