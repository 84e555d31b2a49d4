"""The parts of scripts/bench.

cases: what is measured, and the goals. tools: finds, installs and builds the programs. configs, layer4: one function a proxy.
processes: starts and stops programs, reads /proc. load: wrk, h2load, ghz, l4load and udp_load. idle: connections at rest.
rounds: the order of measuring. report: medians, ratios, files. callgrind: instructions per request.
"""
