-- One script for all cases. Arguments after `--`: method, request body bytes, close (1 or 0), path, number of routes.
-- The answer is one line of JSON behind the word BENCH.

local paths, turn

function init(args)
  wrk.method = args[1]
  if tonumber(args[2]) > 0 then wrk.body = string.rep("x", tonumber(args[2])) end
  if args[3] == "1" then wrk.headers["Connection"] = "close" end
  local routes = tonumber(args[5])
  if routes > 0 then
    paths, turn = {}, 0
    for number = math.max(0, routes - 100), routes - 1 do
      paths[#paths + 1] = wrk.format(nil, string.format("/r%05d/x", number))
    end
    -- Only here: without a request function wrk sends one ready-made request, which costs it less.
    request = next_path
  end
end

function next_path()
  turn = turn % #paths + 1
  return paths[turn]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'BENCH {"requests":%d,"bytes":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,'
      .. '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}',
    summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
