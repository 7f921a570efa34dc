// Many small tasks, a bounded number of them at a time.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/wait.h"

namespace varve::posix {

namespace parallel_detail {
template <class T>
struct Work {
  std::vector<T>& items;
  Task<Result<void>> (*one)(T&);
  size_t next = 0;
  Result<void> result;
};
template <class T>
Task<bool> worker(Work<T>& work) {
  while (work.next < work.items.size() && work.result.ok()) {
    T& item = work.items[work.next++];
    Result<void> done = co_await work.one(item);
    if (!done && work.result.ok()) work.result = std::move(done);
  }
  co_return true;
}
}  // namespace parallel_detail

// Two tasks side by side; ends when both have ended.
template <class A, class B>
Task<std::pair<A, B>> both(Task<A> first, Task<B> second) {
  std::optional<B> other;
  Signal done;
  auto run = [](Task<B> task, std::optional<B>& to, Signal& ended) -> Task<void> {
    to.emplace(co_await std::move(task));
    ended.notify_all();
  };
  Executor::current()->spawn(run(std::move(second), other, done));
  A one = co_await std::move(first);
  while (!other) co_await done.wait();
  co_return std::pair<A, B>(std::move(one), std::move(*other));
}

// Runs one(item) for each, at most `width` side by side. After a failure no further one is begun;
// ends when those under way have ended, with the first failure.
template <class T>
Task<Result<void>> for_each_limited(std::vector<T>& items, size_t width,
                                    Task<Result<void>> (*one)(T&)) {
  if (items.empty()) co_return Result<void>();
  if (items.size() == 1) co_return co_await one(items.front());
  parallel_detail::Work<T> work{items, one, 0, {}};
  std::vector<Task<bool>> workers;
  for (size_t i = 0; i < std::min(width, items.size()); ++i)
    workers.push_back(parallel_detail::worker(work));
  co_await when_all(std::move(workers));
  co_return std::move(work.result);
}

}  // namespace varve::posix
