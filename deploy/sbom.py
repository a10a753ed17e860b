#!/usr/bin/env python3
"""SBOM (CycloneDX 1.5 JSON) and licences of what a program is built from, out of `cargo metadata` and
the console's lock file. No network, and no time of day: the same sources give the same bytes.

    deploy/sbom.py sbom PACKAGE...      JSON on standard output
    deploy/sbom.py licences PACKAGE...  text: each dependency, its licence, and its licence files
"""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LICENCE_BYTES_MAX = 256 * 1024


def metadata():
    """The resolved graph for the machines we ship to."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--offline",
               "--filter-platform", "x86_64-unknown-linux-gnu"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def reached(graph, names):
    """Packages that end up in the programs: normal dependencies, no tests and no build scripts' own."""
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    packages = {package["id"]: package for package in graph["packages"]}
    roots = [pid for pid, package in packages.items() if package["name"] in names]
    if len(roots) != len(names):
        sys.exit(f"sbom: not every one of {names} is a package of this workspace")
    seen, todo = set(), list(roots)
    while todo:
        pid = todo.pop()
        if pid in seen:
            continue
        seen.add(pid)
        for dep in nodes[pid]["deps"]:
            if any(kind["kind"] is None for kind in dep["dep_kinds"]):
                todo.append(dep["pkg"])
    return sorted((packages[pid] for pid in seen), key=lambda p: (p["name"], p["version"])), nodes, packages


def checksums():
    """SHA-256 of each crate, from Cargo.lock."""
    found, name, version = {}, None, None
    for line in (ROOT / "Cargo.lock").read_text().splitlines():
        key, _, value = line.partition(" = ")
        value = value.strip('"')
        if key == "name":
            name = value
        elif key == "version":
            version = value
        elif key == "checksum":
            found[name, version] = value
    return found


def npm():
    """What is bundled into the console (not its build tools)."""
    lock = json.loads((ROOT / "aggregator/console/package-lock.json").read_text())
    for path, package in sorted(lock["packages"].items()):
        if path and not package.get("dev"):
            yield path.split("node_modules/")[-1], package


def sbom(names):
    graph = metadata()
    packages, nodes, by_id = reached(graph, names)
    sums = checksums()
    ids = {package["id"] for package in packages}
    purl = lambda p: f"pkg:cargo/{p['name']}@{p['version']}"
    components = []
    for package in packages:
        component = {"type": "library", "bom-ref": purl(package), "name": package["name"],
                     "version": package["version"], "purl": purl(package)}
        if package.get("license"):
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if (package["name"], package["version"]) in sums:
            component["hashes"] = [{"alg": "SHA-256", "content": sums[package["name"], package["version"]]}]
        components.append(component)
    if "minewatch-aggregator" in names:
        for name, package in npm():
            ref = f"pkg:npm/{name}@{package['version']}"
            component = {"type": "library", "bom-ref": ref, "name": name, "version": package["version"], "purl": ref}
            if package.get("license"):
                component["licenses"] = [{"expression": package["license"]}]
            components.append(component)
    dependencies = [{"ref": purl(package), "dependsOn": sorted(
        purl(by_id[dep["pkg"]]) for dep in nodes[package["id"]]["deps"] if dep["pkg"] in ids)} for package in packages]
    root = next(p for p in packages if p["name"] == names[0])
    return json.dumps({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "release", "name": "minewatch",
                                   "version": root["version"]}},
        "components": components, "dependencies": dependencies,
    }, indent=1, sort_keys=True)


def licences(names):
    packages, _, _ = reached(metadata(), names)
    out = []
    for package in packages:
        if package["source"] is None:
            continue
        out.append(f"{'=' * 78}\n{package['name']} {package['version']}: {package.get('license') or 'see file'}\n")
        folder = pathlib.Path(package["manifest_path"]).parent
        for file in sorted(folder.iterdir()):
            named = file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))
            if named and file.is_file() and file.stat().st_size <= LICENCE_BYTES_MAX:
                out.append(f"--- {file.name}\n{file.read_text(errors='replace').strip()}\n")
    return "\n".join(out)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("sbom", "licences"):
        sys.exit(__doc__)
    print({"sbom": sbom, "licences": licences}[sys.argv[1]](sys.argv[2:]))
