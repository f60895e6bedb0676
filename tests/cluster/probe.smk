"""Two jobs that need a GPU each at the same time, and one that needs more memory than it asks for."""


from ssenet_core.compute import growing


rule all:
    input:
        ["gpu/a.json", "gpu/b.json", "memory.txt"],


rule gpu:
    output:
        "gpu/{name}.json",
    resources:
        gpu=1,
        mem_mb=growing(1500),  # torch, which the probe loads
    shell:
        "python gpu_probe.py {wildcards.name} {output}"


rule memory:
    output:
        "memory.txt",
    resources:
        mem_mb=growing(500),
    shell:
        "python -c 'import time; held = b\"x\" * 600_000_000; time.sleep(4)' && touch {output}"
