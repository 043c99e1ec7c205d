-- A script for wrk: each request asks for one of NUMBER numbered things, as PATTERN and BODY name them by %N.
-- CHOICE is "uniform", "zipf" (of exponent 1: the first is asked for twice as often as the second), or "next", from
-- FIRST on. At the end it says how many good answers there were, in how many seconds.
local number, choice = tonumber(os.getenv("NUMBER")), os.getenv("CHOICE")
local pattern, body, method = os.getenv("PATTERN"), os.getenv("BODY"), os.getenv("METHOD")
local last = tonumber(os.getenv("FIRST")) - 1
local sums, sum = {}, 0
if choice == "zipf" then
  for n = 1, number do
    sum = sum + 1 / n
    sums[n] = sum
  end
end

local function of_zipf()
  local wanted, low, high = math.random() * sum, 1, number
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sums[middle] < wanted then low = middle + 1 else high = middle end
  end
  return low
end

local function named(text, n)
  return (string.gsub(text, "%%N", string.format("%06d", n)))
end

function init()
  math.randomseed(os.time())
end

function request()
  last = choice == "next" and last + 1 or choice == "zipf" and of_zipf() or math.random(number)
  return wrk.format(method, named(pattern, last), nil, body ~= "" and named(body, last) or nil)
end

function done(summary)
  local good = summary.requests - summary.errors.status
  io.write(string.format("good %d seconds %f\n", good, summary.duration / 1e6))
end
