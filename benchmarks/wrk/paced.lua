-- A script for wrk: each connection sends its next request PAUSE_MS after the last answer.
local pause = tonumber(os.getenv("PAUSE_MS"))

function delay()
  return pause
end
