// A doubly linked list through its members. Hooks unlink themselves when they are destroyed, and a
// list that is destroyed first leaves its hooks unlinked: either may go before the other.
#pragma once

#include "base/assert.h"

namespace varve {

class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }
  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (!next_) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T>
  friend class IntrusiveList;
  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

// T derives from ListHook. Owns nothing.
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty()) pop_front();
    head_.next_ = head_.previous_ = nullptr;
  }
  bool empty() const { return head_.next_ == &head_; }
  void push_back(T& item) {
    ListHook& hook = item;
    VARVE_ASSERT(!hook.linked(), "a hook is in one list at a time");
    hook.previous_ = head_.previous_;
    hook.next_ = &head_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }
  T& front() {
    VARVE_ASSERT(!empty(), "");
    return static_cast<T&>(*head_.next_);
  }
  T& pop_front() {
    T& item = front();
    static_cast<ListHook&>(item).unlink();
    return item;
  }
  // Calls visit(item) for each; visit may unlink the item it is given.
  template <class Visit>
  void for_each(Visit visit) {
    for (ListHook* at = head_.next_; at != &head_;) {
      ListHook* next = at->next_;
      visit(static_cast<T&>(*at));
      at = next;
    }
  }

 private:
  ListHook head_;
};

}  // namespace varve
