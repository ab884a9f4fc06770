// Independent pieces of work on a few threads; the caller's thread only watches, so that it can ask for a stop.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace isotopy {

// Thrown by a kernel that found its stop flag set.
class Cancelled : public std::runtime_error {
public:
    Cancelled() : std::runtime_error("cancelled") {}
};

// A flag that a kernel looks at every few milliseconds of work.
class Stop {
public:
    void request() noexcept { flag_.store(true, std::memory_order_relaxed); }
    bool requested() const noexcept { return flag_.load(std::memory_order_relaxed); }
    void check() const {
        if (requested()) throw Cancelled();
    }

private:
    std::atomic<bool> flag_{false};
};

// Calls work(index, stop) for every index below count, in any order, and waits for all of them. The first exception is
// rethrown after all threads have joined. About every 50 ms the calling thread asks poll(); true stops the work with
// Cancelled. With inline_work the calling thread does everything itself and never polls: for work of a few milliseconds.
template <class Work, class Poll>
void parallel_for(std::size_t count, std::size_t threads, bool inline_work, const Work& work, const Poll& poll) {
    Stop stop;
    if (count == 0) return;
    if (inline_work) {
        for (std::size_t index = 0; index < count; ++index) work(index, stop);
        return;
    }
    if (threads > count) threads = count;
    if (threads == 0) threads = 1;

    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::condition_variable finished;
    std::size_t running = threads;
    std::exception_ptr failure;

    auto body = [&] {
        try {
            for (std::size_t index = next.fetch_add(1); index < count; index = next.fetch_add(1)) {
                stop.check();
                work(index, stop);
            }
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            if (!failure) failure = std::current_exception();
            stop.request();
        }
        const std::lock_guard<std::mutex> lock(mutex);
        if (--running == 0) finished.notify_all();
    };

    std::vector<std::thread> workers;
    workers.reserve(threads);
    try {
        for (std::size_t worker = 0; worker < threads; ++worker) workers.emplace_back(body);
    } catch (...) {  // the system gave fewer threads than asked for: go on with those, or fail if there are none
        const std::lock_guard<std::mutex> lock(mutex);
        running -= threads - workers.size();
        if (workers.empty()) throw;
    }
    {
        std::unique_lock<std::mutex> lock(mutex);
        while (running != 0) {
            if (finished.wait_for(lock, std::chrono::milliseconds(50), [&] { return running == 0; })) break;
            lock.unlock();
            if (poll()) stop.request();
            lock.lock();
        }
    }
    for (std::thread& worker : workers) worker.join();
    if (failure) std::rethrow_exception(failure);
}

// The same inside a kernel: with one thread on the caller's own; the stop of the caller stops all.
template <class Work>
void parallel_within(std::size_t count, std::size_t threads, const Stop& outer, const Work& work) {
    if (threads < 2) {
        for (std::size_t index = 0; index < count; ++index) {
            outer.check();
            work(index, outer);
        }
        return;
    }
    parallel_for(count, threads, false, work, [&] { return outer.requested(); });
}

}  // namespace isotopy
